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
// net/http, as those of connect-go do. Such answers have the status 200 whatever
// became of the call: the status UNAUTHENTICATED refuses the key, be it in the header,
// in the trailer or in the message that ends a stream, and says that the call was not
// carried out. An answer is an acceptance once a message has come, or a status that the
// server's own code gives; a 200 by itself is none. All others are decided as [RFC6750]
// does, which fits Connect's unary calls.
//
// A stream's answer is handed on with its first message, or 2 s after its header; then
// it says nothing of the key. Nor does gRPC-Web as text, which is not read.
//
// A call that streams its request cannot be sent again, and gets the refusal; the
// next goes with another key. Modules transport/grpcauth and transport/connectauth
// have interceptors that can.
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
	const prefix = 5 // flags, and the length of the message
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
	return Passed // a message of the server's own code
}

// message returns the message that begins with the given prefix, uncompressed, as far
// as a classifier sees it.
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

// webStatus finds the status in the trailers that end a gRPC-Web answer.
func webStatus(trailers []byte) string {
	for line := range strings.Lines(string(trailers)) {
		if name, value, _ := strings.Cut(line, ":"); header.EqualFold(strings.TrimSpace(name), "grpc-status") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// connectCode finds the error's code in the message that ends a stream.
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

// rpcVerdict is what a status says of the key, by gRPC's number or Connect's name.
// What proxies and frameworks give too, such as PERMISSION_DENIED and UNAVAILABLE, says
// nothing, nor does a status that is not known.
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
