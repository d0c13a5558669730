package demo

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

//go:embed content
var files embed.FS

// ruleLife is how long the demo's rules hold from the day of the demo. The committed files have
// fixed dates, as real ones do.
const ruleLife = 180 * Day

// Content returns the demo's rules and lists as they are committed: folders rules and lists.
func Content() fs.FS {
	sub, err := fs.Sub(files, "content")
	if err != nil {
		panic("demo: embedded content is gone: " + err.Error())
	}
	return sub
}

// WriteContent lays the rules and lists down under dir, readable by the owner alone. The rules'
// expiry is set from now on, so that the demo does not end with them. Editors find the schema of rule
// files where it is when dir lies beside the app.
func WriteContent(dir string, now time.Time) error {
	expires := regexp.MustCompile(`(?m)^( +expires: )\d{4}-\d{2}-\d{2}$`)
	return fs.WalkDir(Content(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		data, err := fs.ReadFile(Content(), path)
		if err != nil {
			return fmt.Errorf("write demo content: %w", err)
		}
		if filepath.Ext(path) == ".yaml" {
			data = expires.ReplaceAll(data, []byte("${1}"+now.Add(ruleLife).UTC().Format(time.DateOnly)))
			data = bytes.Replace(data, []byte("$schema=../../../app/"), []byte("$schema=../../winnow/"), 1)
		}
		return os.WriteFile(to, data, 0o600)
	})
}
