package reply_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// F57, F95, F103: these are real errors of net/http, whose texts contain the URL or what the
// peer sent.
func TestMissingQuotesNobody(t *testing.T) {
	const sentinel = "rksentinel_"
	for name, tc := range map[string]struct{ answer, want string }{
		"not HTTP":      {sentinel + "\r\n\r\n", "no usable response"},
		"bad header":    {"HTTP/1.1 200 OK\r\n" + sentinel + "\r\n\r\n", "no usable response"},
		"bad location":  {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: https://[" + sentinel + "\r\n\r\n", "no usable response"},
		"hangs up":      {"", "the connection was closed before the response was complete"},
		"plain over s:": {"HTTP/1.1 400 " + sentinel + "\r\n\r\n", "the server speaks plain HTTP, not HTTPS"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = conn.Write([]byte(tc.answer))
			}()
			scheme := "http://"
			if strings.HasPrefix(name, "plain") {
				scheme = "https://"
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			_, err = client.Get(scheme + l.Addr().String() + "/?token=" + sentinel)
			if err == nil || !strings.Contains(err.Error(), sentinel) {
				t.Fatalf("net/http says %v: nothing to hide", err)
			}
			got := reply.Missing(t.Context(), err)
			if !errors.Is(got, source.ErrUnavailable) || !strings.HasSuffix(got.Error(), tc.want) || strings.Contains(got.Error(), sentinel) {
				t.Errorf("%v, want %s", got, tc.want)
			}
		})
	}
}

func TestMissingWrapsTheEndOfTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := reply.Missing(ctx, errors.New("any")); !errors.Is(got, context.Canceled) || !errors.Is(got, source.ErrUnavailable) {
		t.Errorf("%v", got)
	}
}
