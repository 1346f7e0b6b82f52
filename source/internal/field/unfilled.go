package field

import (
	"bytes"
	"fmt"
	"regexp"
)

// redacted is what a source.Secret prints.
const redacted = "[redacted]"

// Unfilled says what text looks like if a template that failed, or a tool that did not run, has
// left it in the place of a secret. It returns "" for any other text. Sources refuse such a
// text, and so the ring keeps the key that it has (F147). The patterns are ones that neither
// generators nor people choose for a key.
func Unfilled(text string) string {
	switch {
	case unquoted([]byte(text)) != nil:
		return "a value with its quotes: remove the quotes"
	case noValue.MatchString(text):
		return "what a program writes for no value, such as null"
	case masked.MatchString(text):
		return "what a log or a listing shows in place of a secret"
	case variable.MatchString(text):
		return "a variable or a template that was not replaced"
	case reference.MatchString(text):
		return "a reference to a secret in another place: resolve it before"
	case encrypted.MatchString(text):
		return "an encrypted value: decrypt it before"
	}
	return ""
}

var (
	// The words of JSON, YAML, Python, Ruby, JavaScript, C and Go, and what they print for
	// nothing, also in brackets as Go's templates do.
	noValue = regexp.MustCompile(`^(?i)([<(\[]?(null|none|nil|undefined|nan|n/a|true|false|no value|unset|not set)[>)\]]?|\[object \w+\]|%!.?\(.*\)|\{\}|\[\])$`)
	// Also Terraform's.
	masked = regexp.MustCompile(`^(?i)([<(\[*]+(redacted|masked|hidden|filtered|sensitive|sensitive value|known after apply)[>)\]*]+|[*•]{3,})$`)
	// ${NAME} of shells, {{ name }} of Go, Jinja and Mustache, <% %> of ERB, #{name} of Ruby and
	// Azure, $(NAME) of Kubernetes and make, %NAME% of Windows, __NAME__, <API_KEY> of manuals.
	variable = regexp.MustCompile(`\$\{\w[^{}]*\}|\{\{.*\}\}|<%.*%>|#\{\w+\}` +
		`|^\$([A-Z][A-Z0-9]*_[A-Z0-9_]+|TOKEN|SECRET|PASSWORD|KEY)$|^\$\([^()]*\)$|^%[A-Za-z_]\w*%$|^__[A-Za-z]\w*__$` +
		`|^<(?i)[\w -]*(key|token|secret|password)[\w -]*>$`)
	reference = regexp.MustCompile(`^(op|vault|secrets?|ref\+\w+|bws|doppler|infisical|sm|gcp-?sm|gsm|aws-?sm|aws-?ssm|ssm|akv|azkv|keyvault|k8s|env|file)://` +
		`|^(vault|secretref|keyref):|^@Microsoft\.KeyVault\(|^arn:aws[\w-]*:(secretsmanager|ssm):`)
	encrypted = regexp.MustCompile(`^(ENC[\[(].*[\])]$|\{cipher\}|\$ANSIBLE_VAULT;)`)
)

func unfilled(data []byte) error {
	if what := Unfilled(string(data)); what != "" {
		return fmt.Errorf("%w: it looks like %s", ErrInvalid, what)
	}
	return nil
}

// isDocument reports whether data looks like JSON or markup, such as a whole file in the place of
// one of its fields, or a login page. A password may have brackets around it.
func isDocument(data []byte) bool { return document.Match(bytes.ToLower(data)) }

var document = regexp.MustCompile(`(?s)^(\{\s*"|\[\s*[{"]|<[!?]|<(html|head|body)\b|<[a-z][^<>]*>.*</)`)

var errDocument = fmt.Errorf("%w: it looks like markup or JSON, not like a token: a key document needs the decoder source.Document, or format=json in a source string; JSON of another form cannot be read", ErrInvalid)
