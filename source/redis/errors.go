package redis

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// explain: the server's words may quote arguments.
func explain(ctx context.Context, err error) error {
	switch {
	case redis.IsAuthError(err), redis.IsPermissionError(err):
		err = fmt.Errorf("%w: not permitted, or the login was refused", source.ErrDenied)
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		err = fmt.Errorf("%w: the key holds another type of value", source.ErrInvalid)
	case redis.IsLoadingError(err), redis.IsMasterDownError(err), redis.IsMaxClientsError(err):
		err = fmt.Errorf("%w: the server is not ready to answer", source.ErrUnavailable)
	}
	return reply.Explain(ctx, err, "", nil)
}
