package page

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLook opens the page in Chromium, light, dark, narrow and as it is printed, and leaves the pictures in the folder
// that WINNOW_LOOK names, for people to look at. The browser's console must have nothing to say.
func TestLook(t *testing.T) {
	dir := os.Getenv("WINNOW_LOOK")
	if dir == "" {
		t.Skip("`make look` opens the page in a browser")
	}
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("no Chromium on the path: install it with your system's packages, like `apt-get install chromium`")
	}
	page, noisy := filepath.Join(dir, "page.html"), filepath.Join(t.TempDir(), "noisy.html")
	for path, text := range map[string]string{page: written(t, sample()), noisy: `<!doctype html><script>console.error("heard")</script>`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if said := browse(t, browser, noisy, "--screenshot="+filepath.Join(t.TempDir(), "noisy.png")); !strings.Contains(said, "heard") {
		t.Fatalf("what a page says on the console is not heard:\n%s", said)
	}
	for name, flags := range map[string][]string{
		"light.png": {"--window-size=1280,4200", "--screenshot="},
		"dark.png":  {"--window-size=1280,4200", "--blink-settings=preferredColorScheme=0", "--screenshot="},
		"phone.png": {"--window-size=420,5600", "--screenshot="},
		"print.pdf": {"--no-pdf-header-footer", "--print-to-pdf="},
	} {
		path := filepath.Join(dir, name)
		flags[len(flags)-1] += path
		for line := range strings.Lines(browse(t, browser, page, flags...)) {
			if strings.Contains(line, "CONSOLE") {
				t.Errorf("%s: the console says %s", name, line)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Size() < 10_000 {
			t.Errorf("%s: no picture: %v", name, err)
		}
	}
	t.Logf("look at %s", dir)
}

// browse opens a page and returns what the browser says.
func browse(t *testing.T, browser, page string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	profile, err := os.MkdirTemp("", "look") // the browser may still write there when it has ended
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	args := []string{"--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr", "--v=0", "--user-data-dir=" + profile}
	out, err := exec.CommandContext(ctx, browser, append(append(args, flags...), "file://"+page)...).CombinedOutput() //nolint:gosec // a browser on the path
	if err != nil {
		t.Fatalf("%s: %v\n%s", browser, err, out)
	}
	return string(out)
}
