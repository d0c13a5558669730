package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

// Signature changes when a rule file of the paths (files, or folders of them) is added, removed,
// renamed or written. It looks at no content: at names, sizes, and the times of writing and, where
// the system has it, of any change, which nobody can set back.
func Signature(paths ...string) string {
	h := sha256.New()
	for _, root := range paths {
		files, err := ruleFiles(root)
		_, _ = fmt.Fprintf(h, "%q %v\n", root, err) // a hash never fails to write
		for _, path := range files {
			info, err := os.Stat(path)
			if err != nil {
				_, _ = fmt.Fprintf(h, "%q %v\n", path, err)
				continue
			}
			_, _ = fmt.Fprintf(h, "%q %d %d %d\n", path, info.Size(), info.ModTime().UnixNano(), changed(info))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
