package importer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of what is read: an archive of a few bytes can hold very many.
const (
	maxFile    = 64 << 20
	maxArchive = 512 << 20
)

// Files calls read with each file of a path that has one of the endings: the file itself whatever
// its ending, the files of a folder and below, or those of a .tgz or .tar.gz. Names in an archive
// stand behind its own.
func Files(root string, endings []string, read func(name string, data []byte)) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return folder(root, endings, read)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", root)
	}
	if strings.HasSuffix(root, ".tgz") || strings.HasSuffix(root, ".tar.gz") {
		return archive(root, endings, read)
	}
	data, err := readFile(root)
	if err == nil {
		read(root, data)
	}
	return err
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	return capped(name, f)
}

func capped(name string, r io.Reader) ([]byte, error) {
	var data bytes.Buffer
	if _, err := data.ReadFrom(io.LimitReader(r, maxFile+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if data.Len() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
	}
	return data.Bytes(), nil
}

func folder(root string, endings []string, read func(name string, data []byte)) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !slices.Contains(endings, strings.ToLower(filepath.Ext(name))) {
			return err
		}
		data, err := readFile(name)
		if err == nil {
			read(name, data)
		}
		return err
	})
}

func archive(root string, endings []string, read func(name string, data []byte)) error {
	f, err := os.Open(root)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", root, err)
	}
	all := &io.LimitedReader{R: z, N: maxArchive}
	t := tar.NewReader(all)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) && all.N > 0 {
			return nil
		}
		if all.N <= 0 {
			return fmt.Errorf("%s holds more than %d MiB", root, maxArchive>>20)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", root, err)
		}
		if h.Typeflag != tar.TypeReg || !slices.Contains(endings, strings.ToLower(path.Ext(h.Name))) {
			continue
		}
		name := root + ":" + path.Clean(h.Name)
		data, err := capped(name, t)
		if err != nil {
			return err
		}
		read(name, data)
	}
}
