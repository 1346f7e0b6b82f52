package transport

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport/internal/header"
)

// GRPC is the classifier for clients that speak gRPC, gRPC-Web or Connect over
// net/http, such as connect-go's. Their answers have the status 200 whatever the result
// of the call. The code UNAUTHENTICATED refuses the key, whether it is in the header,
// in the trailer or in the last message of a stream; it means that the call was not
// carried out. The server accepted the key if it sent a message, or a code that only
// the application returns. A 200 alone proves nothing. GRPC classifies all other
// answers like [RFC6750], which fits Connect's unary calls.
//
// The answer of a stream is returned to the caller after its first message, or 2 s
// after its header; in the second case it says nothing about the key. GRPC does not
// read gRPC-Web in its text format: such an answer says nothing about the key either.
//
// A call that streams its request cannot be sent again. The caller gets the refusal,
// and the next call gets another key. The interceptors of the modules
// transport/grpcauth and transport/connectauth can repeat such calls.
//
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
// https://connectrpc.com/docs/protocol
func GRPC(a *Answer) Verdict {
	kind := strings.ToLower(a.Header.Get("Content-Type"))
	web, connect := strings.HasPrefix(kind, "application/grpc-web"), strings.HasPrefix(kind, "application/connect+")
	if a.Status != http.StatusOK || !connect && !strings.HasPrefix(kind, "application/grpc") {
		return RFC6750(a)
	}
	if strings.HasPrefix(kind, "application/grpc-web-text") {
		return Inconclusive
	}
	if code := a.Header.Get("Grpc-Status"); code != "" {
		return rpcVerdict(code)
	}
	const prefix = 5 // one byte of flags, four of length
	head := a.begin(prefix)
	head = head[:min(len(head), prefix)]
	switch {
	case len(head) < prefix && connect:
		return Inconclusive
	case len(head) < prefix:
		return rpcVerdict(a.Trailer().Get("Grpc-Status"))
	case web && head[0]&0x80 != 0:
		return rpcVerdict(webStatus(a.message(head)))
	case connect && head[0]&0x02 != 0:
		return rpcVerdict(connectCode(a.message(head)))
	}
	return Passed // the application has sent a message
}

// message returns the message that begins with the given prefix, uncompressed. Beyond
// MaxPeek it is cut off.
func (a *Answer) message(prefix []byte) []byte {
	end := int64(len(prefix)) + int64(binary.BigEndian.Uint32(prefix[1:]))
	data := a.begin(int(min(end, MaxPeek)))[len(prefix):]
	if prefix[0]&0x01 == 0 {
		return data
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	data, _ = io.ReadAll(io.LimitReader(z, MaxPeek))
	return data
}

// webStatus returns the status in the trailers at the end of a gRPC-Web answer.
func webStatus(trailers []byte) string {
	for line := range strings.Lines(string(trailers)) {
		if name, value, _ := strings.Cut(line, ":"); header.EqualFold(strings.TrimSpace(name), "grpc-status") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// connectCode returns the error code in the last message of a Connect stream.
func connectCode(message []byte) string {
	var end struct {
		Error *struct{ Code string }
	}
	switch err := json.Unmarshal(message, &end); {
	case err != nil:
		return ""
	case end.Error == nil:
		return "0"
	}
	return end.Error.Code
}

// rpcVerdict returns what a status says about the key. code is gRPC's number or
// Connect's name. Proxies and frameworks also return codes such as PERMISSION_DENIED
// and UNAVAILABLE, so these say nothing about the key. An unknown code says nothing
// either.
// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
func rpcVerdict(code string) Verdict {
	switch code {
	case "16", "unauthenticated":
		return RefusedUnapplied
	case "0",
		"5", "not_found",
		"6", "already_exists",
		"9", "failed_precondition",
		"10", "aborted",
		"11", "out_of_range":
		return Passed
	}
	return Inconclusive
}
