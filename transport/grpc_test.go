package transport_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// frame is one message of a stream.
func frame(flags byte, message string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message))), message...)
}

func squeezed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

// F118
func TestGRPCVerdicts(t *testing.T) {
	const (
		unauthenticated      = `{"error":{"code":"unauthenticated","message":"m"}}`
		passed, inconclusive = transport.Passed, transport.Inconclusive
		refused, plain       = transport.RefusedUnapplied, transport.Refused
	)
	for name, c := range map[string]struct {
		status  int
		kind    string
		header  string // Grpc-Status
		body    []byte
		trailer string
		want    transport.Verdict
	}{
		"refused in the header":           {200, "application/grpc", "16", nil, "", refused},
		"accepted in the header":          {200, "application/grpc+proto", "0", nil, "", passed},
		"refused in the trailer":          {200, "application/grpc", "", nil, "16", refused},
		"found nothing":                   {200, "application/grpc", "", nil, "5", passed},
		"no permission":                   {200, "application/grpc", "7", nil, "", inconclusive},
		"unavailable in the trailer":      {200, "application/grpc", "", nil, "14", inconclusive},
		"a status nobody knows":           {200, "application/grpc", "99", nil, "", inconclusive},
		"no status":                       {200, "application/grpc", "", nil, "", inconclusive},
		"half a prefix":                   {200, "application/grpc", "", []byte{0, 0}, "", inconclusive},
		"a message":                       {200, "application/grpc", "", frame(0, "m"), "", passed},
		"an empty message":                {200, "application/grpc", "", frame(0, ""), "", passed},
		"gateway's 401":                   {401, "application/grpc", "", nil, "", plain},
		"gateway's 503":                   {503, "application/grpc", "", nil, "", passed},
		"web, refused":                    {200, "application/grpc-web+proto", "", frame(0x80, "grpc-message: m\r\nGrpc-Status: 16\r\n"), "", refused},
		"web, refused, squeezed":          {200, "application/grpc-web", "", frame(0x81, squeezed("grpc-status:16\r\n")), "", refused},
		"web, accepted":                   {200, "application/grpc-web", "", frame(0x80, "grpc-status: 0\r\n"), "", passed},
		"web, message":                    {200, "application/grpc-web", "", frame(0, "m"), "", passed},
		"web, no status":                  {200, "application/grpc-web", "", frame(0x80, "x: 16\r\n"), "", inconclusive},
		"stream, refused":                 {200, "application/connect+proto", "", frame(2, unauthenticated), "", refused},
		"stream, refused, squeezed":       {200, "application/connect+json", "", frame(3, squeezed(unauthenticated)), "", refused},
		"stream, ends well":               {200, "application/connect+json", "", frame(2, `{}`), "", passed},
		"stream, not found":               {200, "application/connect+json", "", frame(2, `{"error":{"code":"not_found"}}`), "", passed},
		"stream, unavailable":             {200, "application/connect+json", "", frame(2, `{"error":{"code":"unavailable"}}`), "", inconclusive},
		"stream, message":                 {200, "application/connect+json", "", frame(0, "m"), "", passed},
		"stream, nothing":                 {200, "application/connect+json", "", nil, "", inconclusive},
		"stream, not JSON":                {200, "application/connect+json", "", frame(2, "x"), "", inconclusive},
		"stream, not gzip":                {200, "application/connect+json", "", frame(3, "x"), "", inconclusive},
		"stream, larger than there is":    {200, "application/connect+json", "", append([]byte{2, 0xff, 0xff, 0xff, 0xff}, unauthenticated...), "", refused},
		"unary, refused":                  {401, "application/json", "", []byte(unauthenticated), "", plain},
		"unary, accepted":                 {200, "application/proto", "", nil, "", passed},
		"another API":                     {200, "text/html", "16", nil, "16", passed},
		"upper case":                      {200, "Application/GRPC", "16", nil, "", refused},
		"upper case, and a charset of it": {200, "Application/Connect+JSON; charset=utf-8", "", frame(2, unauthenticated), "", refused},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Content-Type": {c.kind}}
			if c.header != "" {
				h.Set("Grpc-Status", c.header)
			}
			trailer := http.Header{}
			if c.trailer != "" {
				trailer.Set("Grpc-Status", c.trailer)
			}
			if got := transport.GRPC(transport.NewAnswer(c.status, h, c.body, trailer)); got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
		})
	}
}

// rpc answers calls like gRPC and Connect over HTTP: with the status 200, and the
// call's status where each protocol puts it.
type rpc struct {
	good string // the key's version
	kind string
}

func (s *rpc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ok := strings.HasSuffix(r.Header.Get("Authorization"), s.good)
	w.Header().Set("Content-Type", s.kind)
	status := map[bool]string{true: "0", false: "16"}[ok]
	switch {
	case strings.HasPrefix(s.kind, "application/connect"):
		end := `{}`
		if !ok {
			end = `{"error":{"code":"unauthenticated"}}`
		} else {
			_, _ = w.Write(frame(0, "message"))
		}
		_, _ = w.Write(frame(2, end))
	case strings.HasPrefix(s.kind, "application/grpc-web"):
		if ok {
			_, _ = w.Write(frame(0, "message"))
		}
		_, _ = w.Write(frame(0x80, "grpc-status: "+status+"\r\n"))
	default:
		w.Header().Set("Trailer", "Grpc-Status")
		if ok {
			_, _ = w.Write(frame(0, "message"))
		}
		_ = http.NewResponseController(w).Flush() // so that the status is in a trailer
		w.Header().Set("Grpc-Status", status)
	}
}

// A refusal with the status 200 falls back, and the refused key does not count as
// accepted. The caller gets the whole answer, including trailers.
//
// F118
func TestFallsBackOnRPCStatus(t *testing.T) {
	for _, kind := range []string{"application/grpc", "application/grpc-web", "application/connect+proto"} {
		t.Run(kind, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				srv := p.serve(t, &rpc{good: "v1", kind: kind})
				keys := keep(t, newStore("v2", "v1"))
				rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithClassifier(transport.GRPC))
				a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("call")))
				a.want(t, http.StatusOK, "v1", 2)
				if !strings.HasPrefix(a.body, string(frame(0, "message"))) {
					t.Errorf("body %q", a.body)
				}
				if kind == "application/grpc" && a.Trailer.Get("Grpc-Status") != "0" {
					t.Errorf("trailer %v", a.Trailer)
				}
				st := keys.Status()
				if v := st.Versions[0]; v.State != ring.StateRefused || v.Accepted != 0 {
					t.Errorf("v2 is %s, accepted %d times", v.State, v.Accepted)
				}
				if v := st.Versions[1]; v.State != ring.StateAccepted {
					t.Errorf("v1 is %s", v.State)
				}
			})
		})
	}
}

// A stream whose first message does not arrive is returned to the caller after a while,
// and says nothing about the key.
//
// F118
func TestRPCStreamWithoutAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		base := roundTripper(func(*http.Request) (*http.Response, error) {
			resp := status(http.StatusOK)
			resp.Header.Set("Content-Type", "application/grpc")
			resp.Body = r
			return resp, nil
		})
		keys := quiet(t, newStore("v1"))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(base), transport.WithClassifier(transport.GRPC))
		resp, err := rt.RoundTrip(get(t, "https://a.example"))
		if err != nil {
			t.Fatal(err)
		}
		if v := keys.Status().Current; v.Accepted != 0 || v.State != ring.StateUnknown || v.InFlight != 1 {
			t.Errorf("%+v", v)
		}
		go func() {
			_, _ = w.Write(frame(0, "message"))
			w.Close()
		}()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != string(frame(0, "message")) {
			t.Errorf("body %q, %v", body, err)
		}
		resp.Body.Close()
	})
}
