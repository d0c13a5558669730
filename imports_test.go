package winnow_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/winnow-soc/winnow"

// mayImport says which packages of this module each one may import, beside the root. Imports
// point one way: a package that is not named on the right of another is above it.
var mayImport = map[string]string{
	"rules":                    "",
	"rules/importer":           "rules",
	"cache":                    "",
	"cache/storetest":          "cache",
	"allowlist":                "rules cache",
	"llm":                      "",
	"llm/offline":              "llm",
	"llm/chat":                 "llm llm/prices llm/redact",
	"llm/openai":               "llm/chat llm/prices",
	"llm/anthropic":            "llm/chat llm/prices",
	"llm/llmtest":              "llm/prices",
	"llm/llmtest/e2e":          "",
	"llm/redact":               "",
	"llm/knowledge":            "llm",
	"llm/prices":               "",
	"plugin/conf":              "",
	"plugin/crash":             "",
	"plugin/disk":              "",
	"plugin/disk/disktest":     "plugin/disk",
	"plugin/chaos":             "",
	"plugin/stash":             "plugin/crash plugin/disk",
	"plugin/state":             "plugin/conf plugin/crash plugin/disk allowlist",
	"plugin/alertaction":       "plugin/conf plugin/crash plugin/disk plugin/stash plugin/state allowlist cache rules",
	"plugin/intake":            "plugin/alertaction",
	"plugin/queue":             "",
	"plugin/audit":             "",
	"plugin/teams":             "",
	"plugin/ledger":            "plugin/audit plugin/crash cache",
	"plugin/health":            "plugin/disk plugin/ledger plugin/state",
	"plugin/review":            "plugin/audit plugin/ledger cache",
	"plugin/review/web":        "plugin/health plugin/ledger plugin/report plugin/report/page plugin/review",
	"plugin/respond":           "plugin/conf plugin/crash plugin/ledger plugin/review plugin/splunk",
	"plugin/report":            "plugin/report/focus plugin/report/page plugin/teams plugin/ledger plugin/conf llm/prices",
	"plugin/report/focus":      "",
	"plugin/report/page":       "",
	"plugin/report/picture":    "",
	"plugin/splunk":            "plugin/audit plugin/crash plugin/disk plugin/ledger plugin/conf plugin/stash llm",
	"plugin/paging":            "plugin/ledger plugin/conf plugin/splunk",
	"plugin/approve":           "rules allowlist",
	"plugin/triage":            "plugin/review plugin/audit plugin/teams plugin/alertaction plugin/crash plugin/disk plugin/ledger plugin/queue plugin/state plugin/conf allowlist cache rules llm",
	"packaging/demo":           "",
	"packaging/facts":          "llm/prices",
	"packaging/internal/icon":  "",
	"plugin/splunk/splunktest": "plugin/stash",
	"plugin/cmd/winnow_triage": "plugin/alertaction plugin/crash",
	"plugin/cmd/winnow": "plugin/alertaction plugin/approve plugin/audit plugin/conf plugin/crash plugin/health plugin/intake plugin/ledger plugin/paging plugin/queue plugin/report plugin/report/focus plugin/report/page plugin/report/picture plugin/respond plugin/review plugin/review/web plugin/splunk plugin/state plugin/teams plugin/triage " +
		"allowlist cache rules rules/importer llm llm/offline llm/prices llm/chat llm/openai llm/anthropic llm/redact llm/knowledge packaging/demo",
}

// onlyImporter names the one package that may import a library.
var onlyImporter = map[string]string{
	"github.com/expr-lang/expr":              "rules",
	"github.com/gaissmai/bart":               "rules",
	"github.com/hashicorp/golang-lru/v2":     "cache",
	"modernc.org/sqlite":                     "plugin/ledger",
	"github.com/spf13/cobra":                 "plugin/cmd/winnow",
	"github.com/prometheus":                  "plugin/health",
	"golang.org/x/crypto":                    "plugin/approve",
	"golang.org/x/image":                     "plugin/report/picture",
	"charm.land/lipgloss/v2":                 "plugin/cmd/winnow",
	"charm.land/bubbletea/v2":                "plugin/cmd/winnow",
	"github.com/schollz/progressbar/v3":      "plugin/cmd/winnow",
	"github.com/splunk/splunk-cloud-sdk-go":  "plugin/splunk",
	"github.com/openai/openai-go/v3":         "llm/openai",
	"github.com/anthropics/anthropic-sdk-go": "llm/anthropic",
}

// notInAction are packages that winnow_triage must not link: it starts for every alert.
var notInAction = []string{
	"net/http", "database/sql", "modernc.org/", "github.com/spf13/", "charm.land/", "os/user", "net/rpc", "golang.org/x/crypto", "html/template", "text/template",
	"github.com/openai/", "github.com/anthropics/", "github.com/splunk/", "github.com/prometheus/", module + "/llm", module + "/plugin/ledger", module + "/plugin/triage",
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,Standard"}, args...)...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range goList(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" {
			for _, imported := range p.Imports {
				if strings.Contains(imported, ".") {
					t.Errorf("the root package imports %s: it imports the standard library only", imported)
				}
			}
			continue
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is new: say in mayImport what it may import, and in docs/adr why it is there", name)
			continue
		}
		for _, imported := range p.Imports {
			own, inside := strings.CutPrefix(imported, module+"/")
			if inside && !slices.Contains(strings.Fields(allowed), own) {
				t.Errorf("%s imports %s, which is above or beside it", name, own)
			}
		}
	}
}

func TestEachLibraryHasOnePlace(t *testing.T) {
	for _, p := range goList(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		for _, imported := range p.Imports {
			for library, only := range onlyImporter {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && name != only {
					t.Errorf("%s imports %s: only %s does", name, imported, only)
				}
			}
		}
	}
}

func TestAlertActionIsSlim(t *testing.T) {
	for _, p := range goList(t, "-deps", "./plugin/cmd/winnow_triage") {
		for _, banned := range notInAction {
			if p.ImportPath == banned || strings.HasPrefix(p.ImportPath, strings.TrimSuffix(banned, "/")+"/") {
				t.Errorf("winnow_triage links %s", p.ImportPath)
			}
		}
	}
}
