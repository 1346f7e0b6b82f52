package provider_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A bot that uses only the WebSocket. When the key in the file changes, it logs in with the
// new one on another connection, and then leaves the old one.
func ExampleProfile_Session() {
	api := httptest.NewServer(http.HandlerFunc(stream))
	defer api.Close()
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "key.json")
	write := func(versions ...string) {
		var list []string
		for _, v := range versions {
			list = append(list, fmt.Sprintf(`{"version":%q,"id":"id-of-%s","secret":"secret of %s"}`, v, v, v))
		}
		if err := os.WriteFile(path, []byte(`{"keys":[`+strings.Join(list, ",")+`]}`), 0o600); err != nil {
			fmt.Println(err)
		}
	}
	write("v1")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	keys, err := ring.Keep(ctx, file.New(path, file.WithDecoder(source.Document)), ring.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()

	// The bot.
	err = provider.Bybit().Session(ctx, keys, func(ctx context.Context, login *provider.Login) error {
		conn, err := dial(ctx, api.Listener.Addr().String()) // of your WebSocket library
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := login.Do(conn.Write, conn.Read); err != nil {
			return err
		}
		fmt.Println("logged in with", login.Version())
		for {
			message, err := conn.Read()
			if err != nil {
				return err
			}
			switch {
			case !strings.Contains(string(message), "execution"):
			case login.Version() == "v1":
				write("v2", "v1") // the key is rotated
			default:
				return nil // enough for an example
			}
		}
	})
	fmt.Println("the session ended with", err)
	for _, v := range keys.Status().Versions {
		fmt.Println(v.Version, v.Role, "accepted", v.Accepted, "pins", v.Pins)
	}
	// Output:
	// logged in with v1
	// logged in with v2
	// the session ended with <nil>
	// v2 current accepted 1 pins 0
	// v1 previous accepted 1 pins 0
}

// stream stands for an exchange's WebSocket: a connection with one message a line.
func stream(w http.ResponseWriter, _ *http.Request) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
	if _, err := buf.ReadString('\n'); err != nil { // the login
		return
	}
	_, _ = io.WriteString(conn, `{"op":"auth","success":true}`+"\n"+`{"topic":"execution"}`+"\n")
	_, _ = io.Copy(io.Discard, buf) // until the client goes
}

// lines stands for a connection of a WebSocket library.
type lines struct {
	net.Conn
	in *bufio.Reader
}

func dial(ctx context.Context, address string) (*lines, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: stream\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
	l := &lines{conn, bufio.NewReader(conn)}
	if resp, err := http.ReadResponse(l.in, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		_ = conn.Close()
		return nil, fmt.Errorf("no upgrade: %w", err)
	}
	return l, nil
}

func (l *lines) Write(message []byte) error {
	_, err := l.Conn.Write(append(message, '\n'))
	return err
}

func (l *lines) Read() ([]byte, error) { return l.in.ReadBytes('\n') }
