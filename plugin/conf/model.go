package conf

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Provider says through whose interface a model answers.
type Provider string

// The providers.
const (
	ProviderOffline   Provider = "offline"   // heuristics in the program itself
	ProviderOpenAI    Provider = "openai"    // OpenAI, and servers with its interface
	ProviderAnthropic Provider = "anthropic" // Anthropic
)

// Model is [model:NAME]: where answers come from, and what holds for the calls. All but Provider, and
// Model with another provider than offline, have defaults.
type Model struct {
	Provider  Provider
	Model     string // as the provider calls it
	BaseURL   string // "" is the provider's own server
	API       string // openai: responses or chat
	Key       string // where the key is: env:NAME, file:PATH or password:REALM/NAME; "" for none
	Form      string // how answers are held to their schema: strict, json or text
	DataClass string // the most sensitive data that the model may be sent

	MaxOutputTokens   int64
	Concurrency       int
	RequestsPerMinute int64 // 0: no limit of ours
	TokensPerMinute   int64
	Timeout           time.Duration // of one attempt
	Attempts          int
	Fallback          []string // models that are asked where this one is unavailable

	Residency   string
	ServiceTier string

	FlexSeverity winnow.Severity // alerts up to it are asked about at the service tier flex; unknown: none are
	CallsPerDay  int64           // at most, in a day of UTC; 0: no limit
	TokensPerDay int64           // likewise

	Reasoning string
	Proxy     string // "" for none, "environment" for the usual variables
	CAFile    string

	BudgetDay   *winnow.NanoUSD // what calls to it may cost; nil: no limit
	BudgetMonth *winnow.NanoUSD
}

// NewModel returns a model with the defaults.
func NewModel() Model {
	return Model{
		API: "responses", Form: "strict", DataClass: "confidential", MaxOutputTokens: 4096, Concurrency: 8,
		Timeout: time.Minute, Attempts: 3,
	}
}

func (m *Model) keys() []key {
	keys := []key{
		{name: "model", set: text(&m.Model)},
		{name: "base_url", set: anyText(&m.BaseURL)},
		{name: "api", set: oneOf(&m.API, "responses", "chat")},
		{name: "key", set: keyPlace(&m.Key)},
		{name: "form", set: oneOf(&m.Form, "strict", "json", "text")},
		{name: "data_class", set: oneOf(&m.DataClass, "public", "internal", "confidential", "restricted")},
		{name: "max_output_tokens", set: integer(&m.MaxOutputTokens, 16, 1_000_000)},
		{name: "concurrency", set: integer(&m.Concurrency, 1, 1024)},
		{name: "requests_per_minute", set: integer(&m.RequestsPerMinute, 0, 10_000_000)},
		{name: "tokens_per_minute", set: integer(&m.TokensPerMinute, 0, 10_000_000_000)},
		{name: "timeout", set: duration(&m.Timeout, second, hour)},
		{name: "attempts", set: integer(&m.Attempts, 1, 10)},
		{name: "fallback", set: list(&m.Fallback)},
		{name: "residency", set: anyText(&m.Residency)},
		{name: "service_tier", set: anyText(&m.ServiceTier)},
		{name: "flex_severity", set: severity(&m.FlexSeverity)},
		{name: "reasoning", set: anyText(&m.Reasoning)},
		{name: "proxy", set: anyText(&m.Proxy)},
		{name: "ca_file", set: anyText(&m.CAFile)},
		{name: "budget_day", set: dollars(&m.BudgetDay)},
		{name: "calls_per_day", set: integer(&m.CallsPerDay, 0, 1_000_000_000)},
		{name: "tokens_per_day", set: integer(&m.TokensPerDay, 0, 1_000_000_000_000)},
		{name: "budget_month", set: dollars(&m.BudgetMonth)},
	}
	for i := range keys {
		keys[i].optional = true
	}
	return append(keys, key{name: "provider", set: oneOf(&m.Provider, ProviderOffline, ProviderOpenAI, ProviderAnthropic)})
}

// keyPlace takes where a key is. What is no place may be the key itself, so it is in no error.
func keyPlace(to *string) func(string) error {
	return func(s string) error {
		kind, name, _ := strings.Cut(s, ":")
		known := slices.Contains([]string{"env", "file", "password"}, kind)
		_, user, realm := strings.Cut(name, "/")
		if s != "" && (!known || name == "" || strings.ContainsAny(name, " \t") && kind == "env" || kind == "password" && (!realm || user == "")) {
			return errors.New("is where the key is, not the key: env:NAME, file:PATH or password:REALM/NAME; " +
				"if it is a key, take it out of the file and have it replaced")
		}
		*to = s
		return nil
	}
}

func (r *reader) model(stanza, name string) {
	v := NewModel()
	before := len(r.errs)
	r.fill(stanza, v.keys())
	r.s.Models[name] = v
	if len(r.errs) > before {
		return
	}
	if key, problem := v.Check(); problem != nil {
		at, ok := r.file.Lookup(stanza, key)
		if !ok {
			at, _ = r.file.At(stanza)
		}
		r.fail(&Error{At: at, Stanza: stanza, Key: key, Message: problem.Error()})
	}
}

// Check holds the keys of a model against each other, and names the one that is wrong.
func (m *Model) Check() (key string, err error) {
	if m.Provider == ProviderOffline {
		if m.Model != "" || m.BaseURL != "" || m.Key != "" || len(m.Fallback) > 0 {
			return "provider", errors.New("offline has no model, base_url, key or fallback: it asks nobody")
		}
		return "", nil
	}
	if m.Model == "" {
		return "model", fmt.Errorf("missing: name the model as %s does", m.Provider)
	}
	u, err := m.checkURL()
	switch {
	case err != nil:
		return "base_url", err
	case m.Key == "" && (u == nil || !loopback(u.Hostname())):
		return "key", errors.New("missing: only servers on this machine are asked without one; set env:NAME, file:PATH or password:REALM/NAME")
	case m.Provider == ProviderAnthropic && m.FlexSeverity != winnow.SeverityUnknown:
		return "flex_severity", errors.New("is for provider = openai")
	case m.Provider == ProviderAnthropic && m.API != "responses":
		return "api", errors.New("is for provider = openai")
	case m.Provider == ProviderOpenAI && m.Residency != "" && m.BaseURL != "":
		return "residency", errors.New("chooses among OpenAI's own servers: it does not go with base_url")
	}
	return "", nil
}

// checkURL returns the server's address, nil for the provider's own.
func (m *Model) checkURL() (*url.URL, error) {
	if m.BaseURL == "" {
		return nil, nil //nolint:nilnil // "the provider's own" is an answer
	}
	u, err := url.Parse(m.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("is not an address like https://llm.example.com/v1")
	case u.User != nil:
		return nil, errors.New("holds a user name or password: use key")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, errors.New("is not https: alerts and keys leave this machine encrypted or not at all")
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// fallbacks holds the lists of fallbacks against each other: each names models that are there, none of
// them offline, and nobody is asked twice.
func (r *reader) fallbacks() {
	for _, name := range sortedKeys(r.s.Models) {
		stanza := "model:" + name
		at, _ := r.file.Lookup(stanza, "fallback")
		for i, next := range r.s.Models[name].Fallback {
			m, ok := r.s.Models[next]
			problem := ""
			switch {
			case !ok:
				problem = fmt.Sprintf("no stanza [model:%s]%s", next, nearest(next, sortedKeys(r.s.Models)))
			case next == name:
				problem = "names itself"
			case m.Provider == ProviderOffline:
				problem = "offline analysts are no stand-in for a language model: what they may close is less"
			case slices.Contains(r.s.Models[name].Fallback[:i], next):
				problem = fmt.Sprintf("names %s twice", next)
			}
			if problem != "" {
				r.fail(&Error{At: at, Stanza: stanza, Key: "fallback", Message: problem})
			}
		}
	}
}
