//go:build winnow_crash

package disk

import "os"

func init() {
	text := os.Getenv(Variable)
	if text == "" {
		return
	}
	f, err := Parse(text)
	if err != nil {
		panic(err)
	}
	Inject(f)
}
