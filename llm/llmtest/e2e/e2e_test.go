// Package e2e_test asks servers of models that nobody here wrote: a mock of the providers, and a real
// small model. `make e2e-llm` lays out what they need and says where it is.
package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// laidOut returns the folder of `make e2e-llm`.
func laidOut(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("WINNOW_E2E_LLM")
	if dir == "" {
		t.Skip("needs a mock of the providers and a small model: run `make e2e-llm`")
	}
	return dir
}

// startNode runs a script of a server and returns the address that it prints. The server ends with the
// test, and after the limit whatever happens.
func startNode(t *testing.T, limit time.Duration, script string, args ...string) string {
	t.Helper()
	dir := laidOut(t)
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, errors.New("the server's time is over"))
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join(dir, script)}, args...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // tells the server to end
		cancel()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s printed no address: %v", script, err)
	}
	return strings.TrimSpace(line)
}
