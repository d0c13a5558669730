package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/rules"
)

func rulesFmtCommand(g *globals) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use: "fmt [PATH...]", Short: "write rule files in canonical form",
		Long: `Write rule files, or all in folders (default: the content's rules), in canonical form: keys in the order
of the documentation, two blanks of indentation, quotes only where they are needed, a blank line
between rules. Comments and meaning stay: the result is read again before a file is replaced, all or
nothing. A file with errors is left as it is. Prints the files that were changed.
With --check, nothing is written, and files that would change are printed.
Exits with 1 when a file has errors, or, with --check, would change.`,
		Example: `  winnow rules fmt
  winnow rules fmt --check content/rules`,
		RunE: func(_ *cobra.Command, args []string) error { return g.rulesFmt(args, check) },
	}
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; print the files that would change")
	return cmd
}

func (g *globals) rulesFmt(paths []string, check bool) error {
	d, err := g.openTools()
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		paths = d.RulePaths()
	}
	files, err := rules.Files(paths...)
	if err != nil {
		return usage(err)
	}
	if len(files) == 0 {
		return usage(fmt.Errorf("no rule files found in %s", orContent(paths)),
			"name a rule file or a folder of them, or the folder above it with --content DIR")
	}
	lists, err := loadLists(d)
	if lists == nil {
		return err
	}
	opts := rules.Options{Fields: d.Fields, Lists: lists, Now: g.now()}
	bad, changed := 0, 0
	for _, file := range files {
		switch differs, err := g.formatFile(file, opts, check); {
		case errors.As(err, new(*rules.Error)):
			bad++
			fmt.Fprintf(g.err, "%s\n", plain(details(rules.Errors(err)).Error()))
		case err != nil:
			return err
		case differs:
			changed++
			if err := g.formatted(file, check); err != nil {
				return err
			}
		}
	}
	return g.fmtResult(len(files), changed, bad, check)
}

func (g *globals) fmtResult(files, changed, bad int, check bool) error {
	switch {
	case bad > 0:
		return failed("%s and could not be formatted", things(bad, "file has errors", "files have errors"))
	case check && changed > 0:
		return &exitError{exitFailed, fmt.Errorf("%d of %s not in canonical form", changed, things(files, "file is", "files are")), []string{"run `winnow rules fmt`"}}
	}
	g.note("%s in canonical form, %d changed", things(files, "file is", "files are"), changed)
	return nil
}

// formatted prints the name of a file that was, or would be, changed.
func (g *globals) formatted(file string, check bool) error {
	if g.format == formatJSON {
		return g.json(struct {
			File    string `json:"file"`
			Written bool   `json:"written"`
		}{file, !check})
	}
	g.print("%s", plain(file))
	return nil
}

// formatFile formats one file, and reports whether that makes a difference.
func (g *globals) formatFile(file string, opts rules.Options, check bool) (differs bool, err error) {
	before, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	after, err := rules.Format(file, before, opts)
	if err != nil || bytes.Equal(before, after) {
		return false, err
	}
	if check {
		return true, nil
	}
	return true, replaceKeepingMode(file, before, after)
}

// replaceKeepingMode replaces a file all or nothing. A link stays a link, and the mode stays. What
// somebody else has written in the meantime stays too.
func replaceKeepingMode(file string, before, after []byte) (err error) {
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(after)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), info.Mode().Perm()); err != nil {
		return err
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, before) {
		return errors.Join(err, &fs.PathError{Op: "format", Path: file, Err: errors.New("it has changed in the meantime: run it again")})
	}
	return os.Rename(f.Name(), file)
}
