package conf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/conf"
)

func TestModels(t *testing.T) {
	s := readShipped(t,
		"model:mini.provider=openai", "model:mini.model=gpt-5.4-mini", "model:mini.key=password:winnow/openai", "model:mini.fallback=local, haiku",
		"model:mini.timeout=90s", "model:mini.data_class=internal",
		"model:local.provider=openai", "model:local.model=qwen3:8b", "model:local.base_url=http://127.0.0.1:11434/v1", "model:local.api=chat", "model:local.form=json",
		"model:haiku.provider=anthropic", "model:haiku.model=claude-haiku-4-5", "model:haiku.key=env:ANTHROPIC_API_KEY", "model:haiku.residency=us",
		"stage:classify.model=mini",
	)
	mini := conf.NewModel()
	mini.Provider, mini.Model, mini.Key, mini.Fallback = conf.ProviderOpenAI, "gpt-5.4-mini", "password:winnow/openai", []string{"local", "haiku"}
	mini.Timeout, mini.DataClass = 90*time.Second, "internal"
	if diff := cmp.Diff(mini, s.Models["mini"]); diff != "" {
		t.Error(diff)
	}
	if m := s.Models["local"]; m.API != "chat" || m.Form != "json" || m.DataClass != "confidential" || m.Attempts != 3 {
		t.Errorf("local is %+v", m)
	}
}

func TestModelsAreRefused(t *testing.T) {
	const leaked = "sk-proj-1234567890abcdef"
	good := []string{"model:x.provider=openai", "model:x.model=m", "model:x.key=env:KEY"}
	for set, want := range map[string]string{
		"model:x.provider=gemini":                             `[model:x] provider: "gemini" is not one of [offline openai anthropic]`,
		"model:x.model=":                                      `[model:x] model: empty`,
		"model:x.key=" + leaked:                               `[model:x] key: is where the key is, not the key: env:NAME, file:PATH or password:REALM/NAME`,
		"model:x.key=env:":                                    `is where the key is`,
		"model:x.key=password:openai":                         `is where the key is`,
		"model:x.key=":                                        `[model:x] key: missing: only servers on this machine are asked without one`,
		"model:x.base_url=http://10.0.0.5:8000/v1":            `[model:x] base_url: is not https`,
		"model:x.base_url=https://u:" + leaked + "@h.example": `[model:x] base_url: holds a user name or password`,
		"model:x.base_url=api.openai.com":                     `[model:x] base_url: is not an address`,
		"model:x.api=completions":                             `[model:x] api: "completions" is not one of [responses chat]`,
		"model:x.form=xml":                                    `[model:x] form: "xml" is not one of`,
		"model:x.data_class=secret":                           `[model:x] data_class: "secret" is not one of`,
		"model:x.timeout=0":                                   `0 is not from 1s to 1h`,
		"model:x.attempts=99":                                 `"99" is not a whole number from 1 to 10`,
		"model:x.fallback=x":                                  `[model:x] fallback: names itself`,
		"model:x.fallback=y":                                  `[model:x] fallback: no stanza [model:y]`,
		"model:x.fallback=offline":                            `[model:x] fallback: offline analysts are no stand-in`,
		"model:offline.model=m":                               `[model:offline] provider: offline has no model`,
		"model:x.api_key=" + "abc":                            `[model:x] api_key: unknown key`,
	} {
		f, err := conf.Load(app, "winnow", append(good, set))
		if err == nil {
			_, err = conf.Read(f)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s\n gave %v\n want %s", set, err, want)
		}
		if err != nil && strings.Contains(set, ".key=") && strings.Contains(err.Error(), leaked) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}
