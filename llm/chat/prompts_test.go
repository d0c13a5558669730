package chat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow/llm"
)

const shippedPrompts = "../../packaging/app/default/prompts"

func shipped(t *testing.T) *Prompts {
	t.Helper()
	p, err := LoadPrompts(shippedPrompts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Providers cache a prefix from about a thousand tokens on, four characters each; what differs from
// alert to alert must not be in it.
func TestStaticPartsAreLongEnoughToBeCached(t *testing.T) {
	p := shipped(t)
	for key, text := range p.text {
		if len(text) < 4*1100 {
			t.Errorf("%s %s: %d characters", key.task, key.agent, len(text))
		}
		if strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
			t.Errorf("%s %s: not rendered", key.task, key.agent)
		}
	}
	if p.Version(llm.TaskVote, "network") == p.Version(llm.TaskVote, "identity") {
		t.Error("two agents have the same prompt")
	}
}

func TestPromptsOfTheContentReplaceThoseOfTheApp(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := shipped(t)
	write("enrich.tmpl", `Mine for {{.Task}}. {{template "rules.tmpl" .}}`)
	after, err := LoadPrompts(shippedPrompts, dir, filepath.Join(dir, "missing"))
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := after.Text(llm.TaskEnrich, ""); !strings.HasPrefix(text, "Mine for enrich. You work") {
		t.Errorf("prompt is %.60q", text)
	}
	if before.Version(llm.TaskEnrich, "") == after.Version(llm.TaskEnrich, "") {
		t.Error("another prompt has the same version")
	}
	if before.Version(llm.TaskClassify, "") != after.Version(llm.TaskClassify, "") {
		t.Error("the version of a prompt that was not touched has changed")
	}

	for _, c := range []struct{ name, text, want string }{
		{"enrich.tmpl", "{{.Alert}}", "Alert"},
		{"enrich.tmpl", "{{", "enrich.tmpl"},
		{"enrich.tmpl", "  ", "says nothing"},
		{"enrich.tmpl", strings.Repeat("x", maxPromptFile+1), "regular file of at most"},
	} {
		write(c.name, c.text)
		if _, err := LoadPrompts(shippedPrompts, dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: error is %v, want %q", c.text, err, c.want)
		}
	}
	write("enrich.tmpl", "x")
	write("clasify.tmpl", "x")
	if _, err := LoadPrompts(shippedPrompts, dir); err == nil || !strings.Contains(err.Error(), "no task is called so") {
		t.Errorf("a misspelt override: %v", err)
	}
	if _, err := LoadPrompts(dir); err == nil {
		t.Error("prompts without a classification are accepted")
	}
}
