package conformance_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// A copied is what somebody does with a snippet of the README.
type copied struct {
	section  string
	old, new string // the mistake: new in place of old
	before   string // the code before the snippet
	then     string // the code after the snippet
	want     string // in what the program prints
}

// uses are what the README's snippets are copied for, and the usual mistakes in them.
var uses = []copied{
	{"Call an API", "", "", "", "return got(resp, err)", "200 OK"},
	{"Call an API", `, client.WithOrigin("https://api.example.com")`, "", "", "return got(resp, err)", "WithOrigin"}, // F131
	{"Call an API", "/run/secrets/api-key", "/run/secrets/absent", "", "return got(resp, err)", "no such file"},      // F134
	{"Call an API", `"https://api.example.com/v1`, `"/v1`, "", "return got(resp, err)", "https://"},                  // a relative URL
	{"Call an API", "WithOrigin", `WithScheme(transport.Header("X-Api-Key")), client.WithOrigin`, "", "return got(resp, err)", "401 Unauthorized"},
	{"Trade on an exchange", "", "", "", "return started(bot, err)", "started"},
	{"Trade on an exchange", "secrets/kraken", "secrets/half", "", "return started(bot, err)", "api-secret"},
	{"Use a secrets manager", "", "", "", "return started(c, err)", `import _ "github.com/rollingkeys/rollingkeys/source/aws"`},
	{"Keep your own client", "", "", "", "return got(resp, err)", "200 OK"},
	{"Keep your own client", `, transport.WithOrigin("https://api.example.com")`, "", "", "return got(resp, err)", "WithOrigin"}, // F131
	{"Call an API through its SDK", "", "", "", "return called(sdk, err)", "200 OK"},
	{"Call an API through its SDK", ", client.WithOverride()", "", "", "return called(sdk, err)", "WithOverride"}, // F113
	{"Configure by the environment", "", "", "", "return started(c, err)", "started"},
	{"Configure by the environment", "UPSTREAM", "UPSTRAEM", "", "return started(c, err)", "UPSTRAEM_ORIGIN: not set"},
	{"Operate a rotation", "", "", "c := expiring()\n", "return asked(mux)", `"in_use"`},
	{"Operate a rotation", "", "", "c := expiring()\n", "return asked(mux)", "paged: expiring"}, // F130
}

// program is what surrounds the README's snippets.
const program = `package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

var (
	ctx, _ = context.WithTimeout(context.Background(), 5*time.Second)
	mine   = &http.Client{}
	mux    = http.NewServeMux()
	paged  = make(chan ring.Event, 100)
	page   = func(e ring.Event) { paged <- e }
	req, _ = http.NewRequest("GET", api+"/v1/things", nil)

	// The SDK is one that sets the header itself. Real ones are in conformance/sdks.
	openai sdkPackage
	option sdkPackage
)

type sdkPackage struct{}

func (sdkPackage) WithHTTPClient(c *http.Client) any { return c }
func (sdkPackage) WithAPIKey(key string) any         { return key }
func (sdkPackage) NewClient(options ...any) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		req, _ := http.NewRequest("POST", api+"/v1/responses", nil)
		req.Header.Set("Authorization", "Bearer "+options[1].(string))
		return options[0].(*http.Client).Do(req)
	}
}

func called(sdk func() (*http.Response, error), err error) error {
	if err != nil {
		return err
	}
	return got(sdk())
}

func got(resp *http.Response, err error) error {
	if err == nil {
		fmt.Println(resp.Status)
	}
	return err
}

func started(c *client.Client, err error) error {
	if err == nil {
		fmt.Println("started with version", c.Status().Current.Version)
		c.Close()
	}
	return err
}

func asked(mux *http.ServeMux) error {
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest("GET", "/keys", nil))
	fmt.Println(answer.Body)
	select {
	case e := <-paged:
		fmt.Println("paged:", e.Kind)
		return nil
	case <-ctx.Done():
		return errors.New("nobody was paged")
	}
}

// expiring returns a client for the snippets that say what to do with one. Its key
// expires soon.
func expiring() *client.Client {
	c, err := client.New(ctx, file.New("/run/secrets/expiring", file.WithDecoder(source.Document)), client.WithOrigin(api))
	if err != nil {
		log.Fatal(err)
	}
	return c
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	if err := snippets[n](); err != nil {
		fmt.Println(err)
	}
}
`

// TestReadmeRuns builds a program of the README's Go snippets and runs each against a
// mock API: as it stands, and with the mistakes of uses, whose errors must say what to
// do. The paths, and the URL of the API, are the test's.
func TestReadmeRuns(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	snippets := make(map[string]string) // by section
	for _, section := range strings.Split(string(readme), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		if s := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindStringSubmatch(text); s != nil {
			snippets[title] = s[1]
		}
	}
	if want := bytes.Count(readme, []byte("```go")); len(snippets) != want {
		t.Fatalf("%d snippets, want %d: one a section", len(snippets), want)
	}
	dir := t.TempDir()
	api := mockapi.New(t)
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	secret := api.Issue(mockapi.Spec{}).Secret.Expose()
	private := base64.StdEncoding.EncodeToString([]byte(conformance.Sentinel + "private"))
	write("api-key", secret)
	write("openai", secret)
	write("kraken/api-key", conformance.Sentinel+"id")
	write("kraken/api-secret", private)
	write("half/api-key", conformance.Sentinel+"id")
	write("expiring", fmt.Sprintf(`{"keys":[{"version":"v1","secret":%q,"expires_at":%q}]}`, secret, time.Now().Add(time.Hour).Format(time.RFC3339)))

	local := strings.NewReplacer(
		"/run/secrets", filepath.ToSlash(dir),
		"https://api.example.com", api.URL(),
		"WithProvider(provider.OpenAI())", fmt.Sprintf("WithProvider(provider.OpenAI()), client.WithOrigin(%q)", api.URL()))
	text := local.Replace(program) + fmt.Sprintf("\nconst api = %q\n\nvar snippets = []func() error{\n", api.URL())
	run := make(map[string]bool)
	for _, u := range uses {
		snippet := snippets[u.section]
		if run[u.section] = true; strings.Count(snippet, u.old) == 0 {
			t.Fatalf("the snippet under %q does not have %q", u.section, u.old)
		}
		text += "func() error {\n" + u.before + local.Replace(strings.Replace(snippet, u.old, u.new, 1)) + u.then + "\n},\n"
	}
	for section := range snippets {
		if !run[section] {
			t.Errorf("the snippet under %q is not run", section)
		}
	}
	bin := build(t, text+"}\n")
	for n, u := range uses {
		t.Run(fmt.Sprintf("%d/%s", n, u.section), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(bin, fmt.Sprint(n))
			cmd.Env = append(os.Environ(), "UPSTREAM_KEY_SOURCE=file://"+filepath.ToSlash(dir)+"/api-key", "UPSTREAM_ORIGIN="+api.URL())
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), u.want) {
				t.Errorf("%q in place of %q: %v\n%s\nwant %q", u.new, u.old, err, out, u.want)
			}
		})
	}
}

// build compiles a program as one of this module.
func build(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	main, overlay, bin := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "readme.exe")
	at, err := filepath.Abs("internal/readme/main.go")
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{at: main}})
	if err == nil {
		err = os.WriteFile(main, []byte(text), 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", bin, "./internal/readme")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}
