package mockapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// process is a running process of the program.
type process struct {
	*exec.Cmd
	stdin io.WriteCloser
	at    mockapi.Addresses
}

func startProgram(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, os.Args[0], args...)}
	p.Env = append(os.Environ(), "MOCKAPI_PROGRAM=1")
	p.Stderr = os.Stderr
	stdin, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = p.Wait() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &p.at); err != nil {
		t.Fatalf("first line %q: %v", line, err)
	}
	return p
}

// F104: the program ends on a signal, and when its standard input ends, so that it
// ends with its parent.
func TestProgramServesAndEnds(t *testing.T) {
	for name, end := range map[string]func(*process) error{
		"interrupt": func(p *process) error { return p.Process.Signal(os.Interrupt) },
		"terminate": func(p *process) error { return p.Process.Signal(syscall.SIGTERM) },
		"stdin":     func(p *process) error { return p.stdin.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			p := startProgram(t, "-issue", "-exit-with-stdin", "-auth", "header:X-Api-Key", "-replicas", "2")
			c := mockapi.NewAdmin(p.at.AdminURL)
			defer c.Close()
			defer http.DefaultClient.CloseIdleConnections()
			key, err := c.Rotate(within(t), time.Hour)
			if err != nil || key.Version != "v2" {
				t.Fatalf("%v, %v", key, err)
			}
			r := request(t, http.MethodGet, p.at.URL+"/x", key, nil, "X-Api-Key", key.Secret.Expose())
			if a := send(t, http.DefaultClient, r); a.Status != 200 || a.Version != "v2" {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			if a := send(t, http.DefaultClient, request(t, http.MethodGet, p.at.KeysURL, key, nil)); a.Status != 200 {
				t.Errorf("keys: %d", a.Status)
			}
			if err := end(p); err != nil {
				t.Fatal(err)
			}
			if err := p.Wait(); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestProgramRefusesBadArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-listen", "0.0.0.0:0"}, {"-keys", "0.0.0.0:0"}, {"-admin", "[::]:0"}, {"-auth", "header:"}, {"-auth", "x"}, {"-no-such"}, {"word"},
	} {
		var out bytes.Buffer
		if err := mockapi.Program(t.Context(), args, nil, &out, io.Discard); err == nil || out.Len() > 0 {
			t.Errorf("%q: error %v, output %q", args, err, out.String())
		}
	}
}

func TestProgramPrintsItsAddressesAndHelp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for flag, ca := range map[string]bool{"-tls": true, "-http2": true, "-issue": false} {
		var out bytes.Buffer
		if err := mockapi.Program(ctx, []string{flag}, nil, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		var line map[string]string
		if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["url"] == "" || line["keys_url"] == "" || line["admin_url"] == "" {
			t.Errorf("%s: %s", flag, out.String())
		}
		if (line["ca_pem"] != "") != ca {
			t.Errorf("%s: CA %q", flag, line["ca_pem"])
		}
		noSecret(t, "the output", out.String())
	}
	var help bytes.Buffer
	if err := mockapi.Program(ctx, []string{"-help"}, nil, io.Discard, &help); err != nil || help.Len() == 0 {
		t.Errorf("help: %v", err)
	}
}
