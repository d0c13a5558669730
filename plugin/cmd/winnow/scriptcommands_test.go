package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// scriptCommands are what a script may say; see TestScripts.
var scriptCommands = map[string]func(s *script, not bool, args []string){
	"exec":  func(s *script, _ bool, args []string) { s.exec(0, args) },
	"exits": (*script).exits,
	"stdin": func(s *script, _ bool, args []string) {
		s.stdin = strings.ReplaceAll(s.text(args[0]), "$WORK", s.env["WORK"])
	},
	"stdout": func(s *script, not bool, args []string) { s.match(not, s.stdout.String(), args) },
	"stderr": func(s *script, not bool, args []string) { s.match(not, s.stderr.String(), args) },
	"grep": func(s *script, not bool, args []string) {
		last := len(args) - 1
		s.match(not, s.text(args[last]), args[:last])
	},
	"cmp":   func(s *script, _ bool, args []string) { s.compare(s.text(args[0]), args[1]) },
	"alert": (*script).findAlert,
	"let": func(s *script, _ bool, args []string) { // a variable is what the first group matches in what was told last
		found := regexp.MustCompile(args[1]).FindStringSubmatch(s.stderr.String() + s.stdout.String())
		if len(found) < 2 {
			s.fail("nothing matches %s", args[1])
		}
		s.env[args[0]] = found[1]
	},
	"env": func(s *script, _ bool, args []string) {
		name, value, _ := strings.Cut(args[0], "=")
		s.env[name] = value
	},

	"cp":    func(s *script, _ bool, args []string) { s.write(args[1], s.text(args[0])) },
	"mkdir": func(s *script, _ bool, args []string) { s.check(os.MkdirAll(args[0], 0o700)) },
	"rm":    func(s *script, _ bool, args []string) { s.check(os.RemoveAll(args[0])) },
	"exists": func(s *script, not bool, args []string) {
		if exists(args[0]) == not {
			s.fail("it is not so")
		}
	},
	"chmod": func(s *script, _ bool, args []string) {
		mode, err := strconv.ParseUint(args[0], 8, 32)
		s.check(err)
		s.check(os.Chmod(args[1], os.FileMode(mode)))
	},
	"gzip": func(s *script, _ bool, args []string) {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, err := z.Write([]byte(s.text(args[0])))
		s.check(err)
		s.check(z.Close())
		s.write(args[0]+".gz", out.String())
	},
	"cut": func(s *script, _ bool, args []string) { // cut FILE N: drop the last N bytes
		n, err := strconv.Atoi(args[1])
		s.check(err)
		text := s.text(args[0])
		s.write(args[0], text[:len(text)-n])
	},

	"call":    (*script).call,
	"lock":    (*script).lock,
	"splunkd": (*script).splunkd,
	"tamper":  (*script).tamper,
	"unlock":  func(s *script, _ bool, _ []string) { s.check(s.unlock()); s.unlock = nil },
	"command": func(s *script, _ bool, args []string) { // command FILE [STATE]: a command record in the spool
		state := "state"
		if len(args) > 1 {
			state = args[1]
		}
		s.check(alertaction.WriteCommand(filepath.Join(state, "spool"), scriptNow, []byte(s.text(args[0]))))
	},
}

func (s *script) exits(_ bool, args []string) {
	code, err := strconv.Atoi(args[0])
	s.check(err)
	s.exec(code, args[1:])
}

// exec runs one of the programs in this process.
func (s *script) exec(want int, args []string) {
	s.stdout.Reset()
	s.stderr.Reset()
	in := strings.NewReader(s.stdin)
	s.stdin = ""
	getenv := func(name string) string { return s.env[name] }
	now := func() time.Time { return scriptNow }
	code := -1
	switch args[0] {
	case "winnow":
		if len(args) > 1 {
			args = append([]string{"winnow", "--app", filepath.Join(s.env["WORK"], "apps", "winnow")}, args[1:]...)
		}
		code = execute(s.Context(), &console{in: in, out: &s.stdout, err: &s.stderr, getenv: getenv, now: now}, args[1:])
	case "winnow_triage":
		env := alertaction.OSEnv()
		env.Stdin, env.Stderr, env.Getenv, env.Now = in, &s.stderr, getenv, now
		env.Executable = filepath.Join(s.env["WORK"], "apps", "winnow", "bin", "winnow_triage")
		code = alertaction.Main(args[1:], env)
	default:
		s.fail("no such program")
	}
	if code != want {
		s.fail("exit code %d, want %d", code, want)
	}
}

// findAlert sets a variable to the id of the first alert with a rid, in state/ or the folder named.
func (s *script) findAlert(_ bool, args []string) {
	state := "state"
	if len(args) > 2 {
		state = args[2]
	}
	l, err := ledger.OpenReadOnly(context.Background(), filepath.Join(state, "ledger.db"))
	s.check(err)
	defer func() { _ = l.Close() }()
	s.check(l.View(context.Background(), func(t *ledger.Tx) error {
		ids, err := t.IDs()
		if err != nil {
			return err
		}
		for _, id := range ids {
			if r, err := t.Record(id); err != nil || r.RID == args[1] {
				s.env[args[0]] = id
				return err
			}
		}
		return fmt.Errorf("no alert with rid %s", args[1])
	}))
}

// lock holds the worker's lock, as a worker that runs does, until unlock or the end.
func (s *script) lock(bool, []string) {
	l := flock.New(filepath.Join("state", "worker.lock"))
	ok, err := l.TryLock()
	s.check(err)
	if !ok {
		s.fail("the lock is held")
	}
	s.unlock = l.Unlock
}

// tamper runs SQL on a ledger, as somebody might who can write the file.
func (s *script) tamper(_ bool, args []string) {
	db, err := sql.Open("sqlite", args[0])
	s.check(err)
	_, err = db.ExecContext(s.Context(), strings.Join(args[1:], " "))
	s.check(err)
	s.check(db.Close())
}
