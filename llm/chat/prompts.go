package chat

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/winnow-soc/winnow/llm"
)

// Prompts are the static parts of what models are told: one template a task (enrich.tmpl and so on),
// and rules.tmpl, which the others include. A template gets the task and, for votes, the agent; it
// never gets an alert. So the text is the same for every alert, comes first, and providers can keep
// it in their caches. Safe for concurrent use.
type Prompts struct {
	text map[promptKey]string
}

type promptKey struct {
	task  llm.Task
	agent string
}

// promptData is what a template sees.
type promptData struct {
	Task  llm.Task
	Agent string
}

// Agents that have a part of their own in vote.tmpl; others get its general part.
var promptAgents = []string{"network", "identity", "threat_intel"}

var promptTasks = []llm.Task{
	llm.TaskEnrich, llm.TaskCorrelate, llm.TaskClassify, llm.TaskCorrelateClassify, llm.TaskCoordinate,
}

const (
	maxPromptFile = 64 << 10
	rulesTemplate = "rules.tmpl"
)

// LoadPrompts reads every *.tmpl of the folders; a file of a later folder replaces that of the same
// name in an earlier one. A missing folder is none. Every task must have its template, and a file
// that is no task's is an error: a misspelt override must not look as if it were in force.
func LoadPrompts(dirs ...string) (*Prompts, error) {
	files := map[string]string{} // by name: path
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join(dir, "*.tmpl"))
		if err != nil {
			return nil, fmt.Errorf("prompts: %w", err)
		}
		for _, path := range found {
			files[filepath.Base(path)] = path
		}
	}
	t := template.New("prompts").Option("missingkey=error")
	for _, name := range sortedNames(files) {
		text, err := readPrompt(files[name])
		if err != nil {
			return nil, err
		}
		if _, err := t.New(name).Parse(text); err != nil {
			return nil, fmt.Errorf("prompt %s: %w", files[name], err)
		}
	}
	return render(t, files)
}

func sortedNames(files map[string]string) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func readPrompt(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("prompts: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxPromptFile {
		return "", fmt.Errorf("prompt %s: want a regular file of at most %d KiB", path, maxPromptFile>>10)
	}
	data, err := os.ReadFile(path) //nolint:gosec // a name in the app or its content
	if err != nil {
		return "", fmt.Errorf("prompts: %w", err)
	}
	return string(data), nil
}

func render(t *template.Template, files map[string]string) (*Prompts, error) {
	p := &Prompts{text: map[promptKey]string{}}
	keys := make([]promptKey, 0, len(promptTasks)+len(promptAgents)+1)
	for _, task := range promptTasks {
		keys = append(keys, promptKey{task: task})
	}
	for _, agent := range append([]string{""}, promptAgents...) {
		keys = append(keys, promptKey{llm.TaskVote, agent})
	}
	known := []string{rulesTemplate}
	for _, k := range keys {
		name := string(k.task) + ".tmpl"
		known = append(known, name)
		if t.Lookup(name) == nil {
			return nil, fmt.Errorf("prompts: %s is missing; install the app's default/prompts again: %w", name, fs.ErrNotExist)
		}
		var out bytes.Buffer
		if err := t.ExecuteTemplate(&out, name, promptData{k.task, k.agent}); err != nil {
			return nil, fmt.Errorf("prompt %s: %w", files[name], err)
		}
		text := strings.TrimSpace(out.String())
		if text == "" {
			return nil, fmt.Errorf("prompt %s: says nothing", files[name])
		}
		p.text[k] = text
	}
	for name, path := range files {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("prompt %s: no task is called so (want %s)", path, strings.Join(slices.Compact(known), ", "))
		}
	}
	return p, nil
}

// Text returns what a model is told for a task before it sees the alert.
func (p *Prompts) Text(task llm.Task, agent string) (string, error) {
	if p == nil {
		return "", errors.New("no prompts")
	}
	if text, ok := p.text[promptKey{task, agent}]; ok {
		return text, nil
	}
	if text, ok := p.text[promptKey{task, ""}]; ok {
		return text, nil
	}
	return "", fmt.Errorf("no prompt for task %q", task)
}

// Version names the prompt and schema of a task: "sha256:" and 16 hex digits, "" for a task without.
func (p *Prompts) Version(task llm.Task, agent string) string {
	text, err := p.Text(task, agent)
	if err != nil {
		return ""
	}
	h := sha256.New()
	h.Write([]byte(text))
	if schema, err := SchemaOf(task); err == nil {
		h.Write(schema.JSON)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)[:8])
}
