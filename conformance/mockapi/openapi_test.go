package mockapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// openAPI is what the tests need of an OpenAPI document.
type openAPI struct {
	OpenAPI string
	Paths   map[string]pathItem
}

type pathItem struct {
	Servers   []struct{ URL string }
	Get, Post *operation
}

type operation struct {
	OperationID, Summary string
	RequestBody          *struct{ Content map[string]media }
	Responses            map[string]struct{ Content map[string]media }
	Security             []map[string][]string
}

type media struct{ Schema schema }

type schema struct {
	Type                 any
	Properties           map[string]schema
	Required             []string
	Items                *schema
	AdditionalProperties any
}

func (i pathItem) operations() map[string]*operation {
	all := map[string]*operation{http.MethodGet: i.Get, http.MethodPost: i.Post}
	maps.DeleteFunc(all, func(_ string, o *operation) bool { return o == nil })
	return all
}

func readOpenAPI(t *testing.T, api *mockapi.API, headers ...string) (doc openAPI) {
	t.Helper()
	a := send(t, http.DefaultClient, request(t, http.MethodGet, api.AdminURL()+"openapi.json", source.Key{}, nil, headers...))
	if err := json.Unmarshal([]byte(a.Body), &doc); err != nil || a.Status != 200 || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%d, %v", a.Status, err)
	}
	noSecret(t, "the OpenAPI document", a.Body)
	return doc
}

// check returns what in value is not as the schema says.
func (s schema) check(value any) error {
	types, ok := s.Type.([]any)
	if !ok && s.Type != nil {
		types = []any{s.Type}
	}
	kind := map[string]bool{}
	for _, name := range []string{"null", "string", "boolean", "integer", "array", "object"} {
		kind[name] = types == nil || slices.Contains(types, any(name))
	}
	ok = true
	switch v := value.(type) {
	case nil:
		ok = kind["null"]
	case string:
		ok = kind["string"]
	case bool:
		ok = kind["boolean"]
	case float64:
		ok = kind["integer"]
	case []any:
		ok = kind["array"]
		for _, e := range v {
			if s.Items == nil {
				break
			}
			if err := s.Items.check(e); err != nil {
				return err
			}
		}
	case map[string]any:
		ok = kind["object"]
		for _, name := range s.Required {
			if _, there := v[name]; !there {
				return fmt.Errorf("no field %s", name)
			}
		}
		for name, e := range v {
			of, known := s.Properties[name]
			if !known && s.AdditionalProperties == false {
				return fmt.Errorf("a field %s", name)
			}
			if err := of.check(e); known && err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if !ok {
		return fmt.Errorf("%T, want %v", value, s.Type)
	}
	return nil
}

// sample returns a body with the required fields, or with all.
func (s schema) sample(all bool) map[string]any {
	body := map[string]any{}
	values := map[string]any{
		"version": "v1", "preset": "none", "status": 200, "count": 1,
		"after": "1h", "valid_for": "1h", "delay": "1h", "drip": "1h", "overlap": "1h",
	}
	for name, of := range s.Properties {
		switch {
		case !all && !slices.Contains(s.Required, name):
		case values[name] != nil:
			body[name] = values[name]
		case of.Type == "string":
			body[name] = "x"
		case of.Type == "boolean":
			body[name] = false
		case of.Items != nil:
			body[name] = []any{}
		default:
			body[name] = map[string]any{}
		}
	}
	return body
}

// Each operation of the OpenAPI document is served: it takes the fields that the document
// names and no other, answers what the document says, and no other method is served.
func TestOpenAPIIsWhatIsServed(t *testing.T) {
	api := start(t)
	ids := map[string]bool{}
	for path, item := range readOpenAPI(t, api).Paths {
		for method, o := range item.operations() {
			if o.OperationID == "" || ids[o.OperationID] || o.Summary == "" {
				t.Errorf("%s %s: id %q, summary %q", method, path, o.OperationID, o.Summary)
			}
			ids[o.OperationID] = true
			var takes schema
			bodies := []map[string]any{nil}
			if o.RequestBody != nil {
				takes = o.RequestBody.Content["application/json"].Schema
				bodies = []map[string]any{takes.sample(false), takes.sample(true)}
			}
			for _, body := range bodies {
				api.Reset()
				key := api.Issue(mockapi.Spec{})
				call := func(method, status string) {
					t.Helper()
					data, err := json.Marshal(body)
					if err != nil {
						t.Fatal(err)
					}
					if body == nil {
						data = nil
					}
					url := item.Servers[0].URL + strings.ReplaceAll(path, "{path}", "balance")
					a := send(t, http.DefaultClient, request(t, method, url, key, strings.NewReader(string(data))))
					if fmt.Sprint(a.Status) != status {
						t.Errorf("%s %s %s: %d %s", method, path, data, a.Status, a.Body)
						return
					}
					var got any
					if err := json.Unmarshal([]byte(a.Body), &got); status != "405" && err != nil {
						t.Errorf("%s %s: %v", method, path, err)
					} else if err := o.Responses[status].Content["application/json"].Schema.check(got); status != "405" && err != nil {
						t.Errorf("%s %s: the answer has %v: %s", method, path, err, a.Body)
					}
				}
				call(method, "200")
				if !strings.HasPrefix(path, "/admin/") {
					continue
				}
				call(http.MethodPut, "405")
				if body != nil {
					body["more"] = 1
					call(method, "400")
					if delete(body, "more"); takes.AdditionalProperties != false {
						t.Errorf("%s: the schema allows other fields", path)
					}
				}
				if body["version"] != nil && path != "/admin/hold" && path != "/admin/release" {
					body["version"] = "v9"
					call(method, "404")
				}
			}
		}
	}
	if len(ids) != 23 {
		t.Errorf("%d operations", len(ids))
	}
}

// The list of endpoints, the OpenAPI document and the manual of the program name the same
// calls of the admin API.
func TestEndpointsAreListed(t *testing.T) {
	api := start(t)
	var documented, listed, told []string
	for path, item := range readOpenAPI(t, api).Paths {
		for method := range item.operations() {
			if strings.HasPrefix(path, "/admin/") {
				documented = append(documented, method+" "+path)
			}
		}
	}
	var index struct {
		URL       string `json:"url"`
		Endpoints []struct{ Method, URL, Does string }
	}
	a := send(t, http.DefaultClient, request(t, http.MethodGet, api.AdminURL(), source.Key{}, nil))
	if err := json.Unmarshal([]byte(a.Body), &index); err != nil || index.URL != api.URL() {
		t.Fatalf("%v: %s", err, a.Body)
	}
	for _, e := range index.Endpoints {
		if path, ok := strings.CutPrefix(e.URL, strings.TrimSuffix(api.AdminURL(), "/admin/")); ok && e.Does != "" {
			listed = append(listed, e.Method+" "+path)
		}
	}
	if len(index.Endpoints) != len(listed)+3 {
		t.Errorf("%d endpoints, %d of them of the admin API", len(index.Endpoints), len(listed))
	}
	manual, err := os.ReadFile("cmd/mockapi/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^//\tcurl -s "?\$ADMIN(/[\w.]*)(.*)$`).FindAllStringSubmatch(string(manual), -1) {
		method := http.MethodGet
		if strings.Contains(m[2], " -d ") {
			method = http.MethodPost
		}
		told = append(told, method+" /admin"+m[1])
	}
	slices.Sort(documented)
	slices.Sort(listed)
	slices.Sort(told)
	if told = slices.Compact(told); !slices.Equal(documented, listed) || !slices.Equal(documented, told) {
		t.Errorf("documented %q\nlisted %q\nin the manual %q", documented, listed, told)
	}
}

// The manual of the program names every flag, and no other.
func TestFlagsAreListed(t *testing.T) {
	manual, err := os.ReadFile("cmd/mockapi/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, flags, _ := strings.Cut(string(manual), "// # Flags\n")
	flags, _, _ = strings.Cut(flags, "// # Other")
	var help strings.Builder
	if err := mockapi.Program(t.Context(), []string{"-help"}, nil, nil, &help); err != nil {
		t.Fatal(err)
	}
	names := func(text, pattern string) (list []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			list = append(list, m[1])
		}
		slices.Sort(list)
		return list
	}
	told, known := names(flags, `[\t ](-[a-z][a-z0-9-]*)(?:,| [A-Z]+ |  )`), names(help.String(), `(?m)^  (-[a-z0-9-]+)`)
	if !slices.Equal(told, known) {
		t.Errorf("the manual has %q, the program %q", told, known)
	}
}
