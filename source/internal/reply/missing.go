package reply

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/rollingkeys/rollingkeys/source"
)

// Missing returns an error that says why there is no response. err is an error of net/http or of
// another client. The result wraps [source.ErrUnavailable] and, if ctx has ended, ctx's error.
func Missing(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%w: no complete response in time: %w", source.ErrUnavailable, ended)
	}
	return fmt.Errorf("%w: %s", source.ErrUnavailable, text(err))
}

func text(err error) string {
	if why, ok := handshake(err); ok {
		return "TLS: " + why
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name does not resolve"
	}
	if number, ok := errors.AsType[errno](err); ok {
		return number.Error()
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return "the connection timed out"
	}
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the server speaks plain HTTP, not HTTPS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the response was complete"
	}
	return "no usable response"
}

func handshake(err error) (string, bool) {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is signed by an unknown authority", true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is for another host", true
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "the certificate has expired or is not valid yet", true
		}
		return "the certificate is not valid", true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate cannot be verified", true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return op.Err.Error(), true // a TLS alert, whose texts are constants of crypto/tls
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS", true
	}
	return "", false
}
