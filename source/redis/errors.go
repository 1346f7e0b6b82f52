package redis

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// explain is reply.Explain for errors of Redis. It quotes no text of the server, which may
// contain arguments of commands.
func explain(ctx context.Context, err error) error {
	switch {
	case redis.IsAuthError(err), redis.IsPermissionError(err):
		err = fmt.Errorf("%w: the server refused the login or the command", source.ErrDenied)
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		err = fmt.Errorf("%w: the Redis key has the wrong type: want a string, or a hash with WithNames", source.ErrInvalid)
	case redis.IsLoadingError(err), redis.IsMasterDownError(err), redis.IsMaxClientsError(err):
		err = fmt.Errorf("%w: the server is not ready to answer", source.ErrUnavailable)
	}
	return reply.Explain(ctx, err, "", nil)
}
