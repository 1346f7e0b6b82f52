package mockapi

import (
	"encoding"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// openAPI returns the OpenAPI 3.1 description of what the server serves now. The schemas
// are made from the Go types that the handlers decode and encode.
func (a *API) openAPI() map[string]any {
	type object = map[string]any
	body := func(example any) object {
		return object{"application/json": object{"schema": schemaOf(reflect.TypeOf(example))}}
	}
	failed := func(why string) object {
		return object{"description": why, "content": body(struct {
			Error string `json:"error"`
		}{})}
	}
	paths := object{}
	add := func(server, path, method string, operation object) {
		item, _ := paths[path].(object)
		if item == nil {
			item = object{"servers": []object{{"url": server}}}
			paths[path] = item
		}
		item[strings.ToLower(method)] = operation
	}
	admin := strings.TrimSuffix(a.AdminURL(), "/admin/")
	for _, c := range a.calls() {
		id := c.name
		switch id {
		case "":
			id = "index"
		case "openapi.json":
			id = "openapi"
		}
		operation := object{"operationId": id, "summary": c.does, "responses": object{
			"200": object{"description": "Done.", "content": body(c.out)},
			"400": failed("The call is invalid."),
			"404": failed("There is no such version."),
		}}
		if c.in != nil {
			operation["requestBody"] = object{"content": body(c.in)}
		}
		var parameters []object
		for _, name := range c.query {
			parameters = append(parameters, object{"name": name, "in": "query", "schema": object{"type": "string"}})
		}
		if parameters != nil {
			operation["parameters"] = parameters
		}
		add(admin, "/admin/"+c.name, c.method, operation)
	}
	refused := object{"description": "The key is refused; the response can be set with refusal."}
	echoed := object{"200": object{"description": "The key is accepted; the response can be set with answer.", "content": body(echo{})}, "401": refused}
	add(a.URL(), "/{path}", http.MethodGet, object{"operationId": "request", "summary": "Checks the key of a request. Any method and any path will do.",
		"parameters": []object{{"name": "path", "in": "path", "required": true, "schema": object{"type": "string"}}}, "responses": echoed})
	add(a.URL(), "/orders", http.MethodPost, object{"operationId": "order", "summary": "Checks the key, and applies an order.",
		"requestBody": object{"content": body(struct {
			ID string `json:"client_order_id,omitempty"`
		}{})}, "responses": echoed})
	add(strings.TrimSuffix(a.KeysURL(), "/keys"), "/keys", http.MethodGet, object{"operationId": "document", "summary": "Returns the key document.",
		"responses": object{"200": object{"description": "The keys, newest first.", "content": body(struct {
			Keys []map[string]any `json:"keys"`
		}{})}, "304": object{"description": "The document has the ETag of If-None-Match."}}})
	doc := object{
		"openapi": "3.1.0",
		"info":    object{"title": "mockapi", "version": "1", "description": "A mock API that issues, rotates, expires and revokes keys."},
		"paths":   paths,
	}
	if a.cfg.token != "" {
		doc["components"] = object{"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}}}
		for path, item := range paths {
			if !strings.HasPrefix(path, "/admin/") && path != "/keys" {
				continue
			}
			for _, operation := range item.(object) {
				if o, ok := operation.(object); ok {
					o["security"] = []object{{"token": []string{}}}
				}
			}
		}
	}
	return doc
}

// schemaOf returns the JSON Schema of what encoding/json makes of a type.
func schemaOf(t reflect.Type) map[string]any {
	type object = map[string]any
	text := reflect.TypeFor[encoding.TextMarshaler]()
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[duration]():
		return object{"type": "string", "description": "a duration such as 1h30m", "examples": []string{"1h30m"}}
	case t.Implements(text):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": []string{"array", "null"}, "items": schemaOf(t.Elem())} // a nil slice is null
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		properties, required := object{}, []string{}
		for _, f := range reflect.VisibleFields(t) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" { // an embedded struct, whose fields are visible too
				continue
			}
			properties[name] = schemaOf(f.Type)
			if options == "" {
				required = append(required, name)
			}
		}
		return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	}
	return object{} // anything
}
