// Package state knows where things are and who may touch them: the app folder, the customer's
// content, the state folder with its secret, and the atomic writes and permission checks that
// every file of it goes through.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// Locations says where to look. The zero value finds everything by itself.
type Locations struct {
	App     string   // app folder; "" = the folder above the program's own bin
	Content string   // the one folder with rules/ and lists/; "" = the apps named in [content] apps
	State   string   // state folder; "" = WINNOW_STATE, else modinputs/winnow in Splunk's database folder
	Set     []string // overrides, each STANZA.KEY=VALUE

	// AnyOwner opens a state folder of another user as well. [Deployment.Init] refuses it all the
	// same, so nothing is made there.
	AnyOwner bool

	Now func() time.Time // tells whether a mode is over; nil = none ever is

	Executable string              // the program's path; "" = os.Executable
	Getenv     func(string) string // nil = os.Getenv
}

// Deployment is one configured winnow: an app folder, content, and the folder of its state.
// Nothing in it changes after Open, so it is safe for concurrent use.
type Deployment struct {
	App        string
	Content    []string // folders that hold rules/, lists/, feeds/ and prompts/; only those that exist
	State      string
	Settings   *conf.Settings
	Fields     *winnow.FieldTable
	SplunkHome string // "" outside Splunk

	// Mode is the mode that Settings are read under. ModeErr says that it could not be read, and that
	// Settings are as cautious as all profiles together. Ended is the last mode, when its time is over.
	Mode, Ended Mode
	ModeErr     error

	egress   sync.Mutex // held while egress.ndjson grows
	inSplunk bool       // State is the one below Splunk's database folder, not one that was named
}

// Open finds the folders and reads winnow.conf and fields.csv. It creates nothing. A state folder
// that belongs to another user is an error: files made there would lock its owner out. Where an
// alert must be kept come what may, see [Salvage].
func Open(l Locations) (*Deployment, error) {
	l.setDefaults()
	app, err := l.app()
	if err != nil {
		return nil, err
	}
	d, err := l.locate(app)
	if err != nil {
		return nil, err
	}
	if !l.AnyOwner {
		if err := checkOwner(d.State, d.inSplunk); err != nil {
			return nil, err
		}
	}
	f, err := conf.Load(d.App, "winnow", l.Set)
	if err != nil {
		return nil, err
	}
	if d.Settings, err = conf.Read(f); err != nil {
		return nil, err
	}
	d.applyMode(l.Now())
	if d.Content, err = l.content(d.App, d.Settings.Content.Apps); err != nil {
		return nil, err
	}
	return d, d.readFields()
}

func (l *Locations) setDefaults() {
	if l.Getenv == nil {
		l.Getenv = os.Getenv
	}
	if l.Now == nil {
		l.Now = func() time.Time { return time.Time{} }
	}
}

// locate knows where things are, and has not yet read any of them.
func (l Locations) locate(app string) (*Deployment, error) {
	d := &Deployment{App: app, SplunkHome: l.splunkHome(app)}
	var err error
	d.State, d.inSplunk, err = l.state(d.SplunkHome)
	return d, err
}

func (l Locations) app() (string, error) {
	if l.App != "" {
		return l.checkApp(l.App, "give the app folder with --app DIR")
	}
	exe, err := l.program()
	if err != nil {
		return "", err
	}
	app := filepath.Dir(filepath.Dir(exe))
	if !isFile(filepath.Join(app, "default", "winnow.conf")) {
		app = filepath.Dir(app) // Splunk also starts APP/linux_x86_64/bin/PROGRAM
	}
	return l.checkApp(app, "the program does not lie in an app's bin folder: give the app with --app DIR")
}

// program returns the path of the program itself, links followed.
func (l Locations) program() (string, error) {
	exe := l.Executable
	if exe == "" {
		var err error
		if exe, err = os.Executable(); err != nil {
			return "", fmt.Errorf("find the app folder from the program's own path: %w; give it with --app DIR", err)
		}
		if runtime.GOOS == "linux" {
			return exe, nil // the kernel has followed the links
		}
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	return exe, nil
}

func (l Locations) checkApp(dir, wayOut string) (string, error) {
	app, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if conf := filepath.Join(app, "default", "winnow.conf"); !isFile(conf) {
		return "", fmt.Errorf("no app at %s: %s is missing; %s", dir, conf, wayOut)
	}
	return app, nil
}

// splunkHome is SPLUNK_HOME, or where the app is installed: HOME/etc/apps/winnow.
func (l Locations) splunkHome(app string) string {
	if home := l.Getenv("SPLUNK_HOME"); home != "" {
		return home
	}
	apps := filepath.Dir(app)
	etc := filepath.Dir(apps)
	if filepath.Base(apps) == "apps" && filepath.Base(etc) == "etc" {
		return filepath.Dir(etc)
	}
	return ""
}

func (l Locations) state(home string) (dir string, inSplunk bool, err error) {
	dir = l.State
	if dir == "" {
		dir = l.Getenv("WINNOW_STATE")
	}
	if dir == "" {
		db := l.splunkDB(home)
		if db == "" {
			return "", false, errors.New("no state folder: outside Splunk, name one with --state DIR or WINNOW_STATE")
		}
		dir, inSplunk = filepath.Join(db, "modinputs", "winnow"), true
	}
	dir, err = filepath.Abs(dir)
	return dir, inSplunk, err
}

// splunkDB finds the folder as splunkd does, so that a command started from a shell, where only
// splunkd's own start file says SPLUNK_DB, finds the same state as the alert action.
func (l Locations) splunkDB(home string) string {
	if db := l.Getenv("SPLUNK_DB"); db != "" {
		return db
	}
	if home == "" {
		return ""
	}
	if f, err := conf.ReadFile(filepath.Join(home, "etc", "splunk-launch.conf")); err == nil {
		if db, _ := f.Get(conf.DefaultStanza, "SPLUNK_DB"); db != "" {
			return os.Expand(db, func(name string) string {
				if name == "SPLUNK_HOME" {
					return home
				}
				return l.Getenv(name)
			})
		}
	}
	return filepath.Join(home, "var", "lib", "splunk")
}

func (l Locations) content(app string, apps []string) ([]string, error) {
	if l.Content != "" {
		dir, err := filepath.Abs(l.Content)
		if err != nil {
			return nil, err
		}
		if !isDir(dir) {
			return nil, fmt.Errorf("--content %s: no such folder", l.Content)
		}
		return []string{dir}, nil
	}
	var found []string
	for _, name := range apps {
		if dir := filepath.Join(filepath.Dir(app), name); isDir(dir) {
			found = append(found, dir)
		}
	}
	return found, nil
}

// readFields lays fields.csv of the app's default, its local and the content over each other, and
// marks the searches that return raw events.
func (d *Deployment) readFields() error {
	d.Fields = &winnow.FieldTable{}
	for _, path := range d.layers("fields.csv") {
		if err := readFields(d.Fields, path); err != nil {
			return err
		}
	}
	for name, search := range d.Settings.Searches {
		if search.Raw {
			d.Fields.MarkRaw(name)
		}
	}
	return nil
}

func readFields(t *winnow.FieldTable, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read field table: %w", err)
	}
	return t.Parse(path, string(text))
}

// layers returns the app's default file, which must exist, and the overlays that do: the app's
// local one, then one in each content folder.
func (d *Deployment) layers(name string) []string {
	paths := []string{filepath.Join(d.App, "default", name)}
	for _, dir := range append([]string{filepath.Join(d.App, "local")}, d.Content...) {
		if path := filepath.Join(dir, name); isFile(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// RulePaths returns the rules folders of the content that exist.
func (d *Deployment) RulePaths() []string { return d.contentFolders("rules") }

// ListPaths returns the lists folders of the content that exist.
func (d *Deployment) ListPaths() []string { return d.contentFolders("lists") }

// FeedPaths returns the feeds folders of the content that exist.
func (d *Deployment) FeedPaths() []string { return d.contentFolders("feeds") }

// EscalatePaths returns the escalate.yaml files: the app's default first, which must exist, then
// the overlays in the app's local folder and in the content.
func (d *Deployment) EscalatePaths() []string { return d.layers("escalate.yaml") }

// FactsPaths returns the facts.yaml files in the same way.
func (d *Deployment) FactsPaths() []string { return d.layers("facts.yaml") }

// TeamsPaths returns the teams.csv files in the same way.
func (d *Deployment) TeamsPaths() []string { return d.layers("teams.csv") }

// PricePaths returns the prices.yaml files in the same way: each is laid over those before it, model by model.
func (d *Deployment) PricePaths() []string { return d.layers("prices.yaml") }

// PromptDirs returns the folders of prompts: the app's default first, then those that lay files over it.
func (d *Deployment) PromptDirs() []string {
	dirs := []string{d.Default("prompts")}
	if local := filepath.Join(d.App, "local", "prompts"); isDir(local) {
		dirs = append(dirs, local)
	}
	return append(dirs, d.contentFolders("prompts")...)
}

func (d *Deployment) contentFolders(name string) []string {
	var found []string
	for _, dir := range d.Content {
		if path := filepath.Join(dir, name); isDir(path) {
			found = append(found, path)
		}
	}
	return found
}

// Default returns the path of a file the app ships in its default folder, like "prices.yaml".
func (d *Deployment) Default(name string) string {
	return filepath.Join(d.App, "default", filepath.FromSlash(name))
}

// names of what the state folder holds.
var names = []string{
	"spool", "spool/tmp", "spool/bad", "worker.alive", "worker.lock", "worker.holder", "worker.sock", "suspensions.json", "gate.off", "mode.json", "calibration.json",
	"cache.snapshot", "rules.current", "approvals.json", "status.ndjson", "egress.ndjson", "lists.good.json", "ledger.db", "secret.key", "audit.key", "batches",
}

// Path returns the path of something in the state folder. It panics on a name that the state does
// not have: that is a mistake in the program, not in its input.
func (d *Deployment) Path(name string) string {
	if !slices.Contains(names, name) {
		panic("state: no path named " + name)
	}
	return filepath.Join(d.State, filepath.FromSlash(name))
}

// Resolve returns the path that a setting means: $SPLUNK_HOME in front is replaced, and a relative
// path is one inside the state folder.
func (d *Deployment) Resolve(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "$SPLUNK_HOME"); ok {
		if d.SplunkHome == "" {
			return "", fmt.Errorf("resolve %s: SPLUNK_HOME is not set", path)
		}
		return filepath.Join(d.SplunkHome, filepath.FromSlash(rest)), nil
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path), nil
	}
	return filepath.Join(d.State, filepath.FromSlash(path)), nil
}

// HostGUID returns the GUID of this Splunk installation, from etc/instance.cfg, or "" when there
// is none.
func HostGUID(splunkHome string) string {
	if splunkHome == "" {
		return ""
	}
	f, err := conf.ReadFile(filepath.Join(splunkHome, "etc", "instance.cfg"))
	if err != nil {
		return ""
	}
	guid, _ := f.Get("general", "guid")
	return guid
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// ConfigPaths returns the files that are read once at the start, where they exist or not: those of
// [Deployment.SettingsPaths], the mode, the calibration and the prices.
func (d *Deployment) ConfigPaths() []string {
	paths := append(d.SettingsPaths(), d.Path("mode.json"), d.Path("calibration.json"))
	return append(paths, d.overlaid("prices.yaml")...)
}

// overlaid returns where a file of the app's default folder and what is laid over it are, where they exist or not.
func (d *Deployment) overlaid(name string) (paths []string) {
	for _, dir := range append([]string{filepath.Join(d.App, "default"), filepath.Join(d.App, "local")}, d.Content...) {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// SettingsPaths returns winnow.conf, the field table and the facts, each with its overlays, where they
// exist or not. Who can write them says what closes.
func (d *Deployment) SettingsPaths() []string {
	paths := []string{filepath.Join(d.App, "default", "winnow.conf"), filepath.Join(d.App, "local", "winnow.conf")}
	for _, name := range []string{"fields.csv", "facts.yaml"} {
		paths = append(paths, d.overlaid(name)...)
	}
	return paths
}
