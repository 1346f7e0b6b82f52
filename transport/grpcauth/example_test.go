package grpcauth_test

import (
	"context"
	"fmt"
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/grpcauth"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// A client calls an API over gRPC. Here a stand-in accepts the key before the newest.
// In a program the keys come from a file or a secrets manager.
func ExampleNew() {
	ctx := context.Background()
	api := start(false, "v1")
	defer api.stop()

	keys := drill.NewStore(drill.Keys("v2", "v1")...)
	live, err := ring.Keep(ctx, keys, ring.WithLogger(nil))
	if err != nil {
		log.Fatal(err)
	}
	defer live.Close()
	conn, err := grpc.NewClient(api.addr, append(grpcauth.New(live, grpcauth.WithTarget(api.addr)).DialOptions(),
		grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(api.roots, "")))...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	resp, err := pb.NewTestServiceClient(conn).UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("order")}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, with %s\n", resp.Payload.Body, live.Version())
	// Output: order, with v1
}
