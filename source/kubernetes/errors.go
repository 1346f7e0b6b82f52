package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// kinds maps the API server's statuses to errors of package source.
var kinds = map[reply.Status]error{
	401: source.ErrDenied,
	403: source.ErrDenied,
	404: fmt.Errorf("%w: the Secret does not exist", source.ErrNoKey),
}

func explain(ctx context.Context, err error) error {
	var code reply.Status
	var answer apierrors.APIStatus
	if errors.As(err, &answer) {
		code = reply.Status(answer.Status().Code)
	}
	return reply.Explain(ctx, err, code, kinds)
}

// retryAfter returns the wait that the server asked for, or 0.
func retryAfter(err error) time.Duration {
	seconds, _ := apierrors.SuggestsClientDelay(err)
	return time.Duration(seconds) * time.Second
}
