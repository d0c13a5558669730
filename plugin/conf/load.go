package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Load reads default/NAME.conf of an app, lays local/NAME.conf over it when there is one, and
// then the sets, each "STANZA.KEY=VALUE" as given to --set.
func Load(appDir, name string, sets []string) (*File, error) {
	base := filepath.Join(appDir, "default", name+".conf")
	f, err := ReadFile(base)
	if err != nil {
		return nil, err
	}
	local, err := ReadFile(filepath.Join(appDir, "local", name+".conf"))
	switch {
	case err == nil:
		f.Merge(local)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	for _, set := range sets {
		if err := f.apply(set); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// ReadFile reads one .conf file.
func ReadFile(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // only read from
	return Parse(path, r)
}

// apply reads "STANZA.KEY=VALUE". Stanza names may hold dots and equal signs, keys neither: the
// first = that has a dot and a key before it ends the key.
func (f *File) apply(set string) error {
	for i := 0; i < len(set); i++ {
		if set[i] != '=' {
			continue
		}
		dot := strings.LastIndexByte(set[:i], '.')
		if dot <= 0 || dot == i-1 {
			continue
		}
		key := strings.Trim(set[dot+1:i], blank)
		value := strings.Trim(set[i+1:], blank)
		f.Set(set[:dot], key, Value{Text: value, File: "--set " + shown(set, key)})
		return nil
	}
	return fmt.Errorf("--set %q: want STANZA.KEY=VALUE, like gate.run=shadow", set)
}

// shown is a --set for errors: whoever takes key for the place of the key itself does not find it in a log.
func shown(set, key string) string {
	if key != "key" {
		return set
	}
	name, value, _ := strings.Cut(set, "=")
	return name + "=" + winnow.Secret(value).String()
}
