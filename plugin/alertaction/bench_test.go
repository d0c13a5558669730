//go:build linux || darwin

package alertaction

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

// benchColumns are thirty columns as Enterprise Security's searches return them.
var benchColumns = strings.Fields(`_time src dest user src_user action app signature signature_id severity
	src_port dest_port transport vendor_product dvc category file_name file_hash process process_id
	parent_process registry_path url http_method http_user_agent bytes_in bytes_out sourcetype tag __mv_tag`)

// benchResults makes results with values as long as real ones, some quoted, some multivalue.
func benchResults(rows int) string {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	var b strings.Builder
	b.WriteString(strings.Join(benchColumns, ",") + "\n")
	for i := range rows {
		fmt.Fprintf(&b, "17673%05d.%03d,10.%d.%d.%d,192.0.2.%d,user%05d,svc-%04d,", i, r.IntN(1000), r.IntN(32), r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(20000), r.IntN(5000))
		fmt.Fprintf(&b, "%s,%s,\"ET SCAN %s, inbound\",%d,%s,", pick("allowed", "blocked", "failure", "success"), pick("ssh", "http", "smb", "win:local"), pick("Potential SSH", "Nmap", "SMB sweep"), 2000000+r.IntN(9999), pick("low", "medium", "informational"))
		fmt.Fprintf(&b, "%d,%d,%s,Suricata IDS 7,sensor-%02d.corp.example,%s,", 1024+r.IntN(60000), r.IntN(1024), pick("tcp", "udp"), r.IntN(40), pick("intrusion", "reconnaissance", "policy"))
		fmt.Fprintf(&b, "report%04d.docx,%016x,\"C:\\Windows\\System32\\%s.exe -k \"\"net%d\"\"\",%d,", r.IntN(9999), r.Uint64(), pick("svchost", "cmd", "powershell"), r.IntN(99), r.IntN(65000))
		fmt.Fprintf(&b, "services.exe,HKLM\\Software\\Run%03d,https://intranet.corp.example/p/%06d,%s,Mozilla/5.0 (X11),%d,%d,suricata:eve,", r.IntN(999), r.IntN(999999), pick("GET", "POST"), r.IntN(99999), r.IntN(99999))
		if r.IntN(4) == 0 {
			b.WriteString("\"attack\nnetwork\",$attack$;$network$\n")
		} else {
			b.WriteString("network,\n")
		}
	}
	return b.String()
}

// narrow are what the rules beyond the first twenty are about: one account, machine or job each, as
// in allow-lists that have grown. An alert is about some thirty of ten thousand.
var narrow = []string{
	`event.user == "user%05[1]d" && event.app == "ssh"`,
	`cidr(event.src, "10.%[3]d.%[2]d.0/28") && event.action == "blocked"`,
	`event.dest == "192.0.2.%[2]d" && event.dvc == "sensor-%02[3]d.corp.example" && event.category == "policy%[1]d"`,
	`event.file_name == "report%04[1]d.docx" && event.severity != "high"`,
	`event.url startsWith "https://intranet.corp.example/p/%06[1]d"`,
	`event.process matches "svchost[.]exe.*job%[1]d" || event.process contains "net%[1]d.exe"`,
	`num(event.src_port) == %[1]d && event.transport == "udp"`,
	`lower(event.registry_path) endsWith "run%[1]d" && event.src_user == "svc-%04[2]d"`,
	`event.signature_id in ["%[1]d", "20%04[1]d"] && not (event.action == "success")`,
	`glob(event.file_hash, "%04[1]d*") && has(event.user)`,
}

// benchRules are rules in scope, of the shapes people write. Twenty of them drop about a third.
func benchRules(count int) string {
	conditions := []string{
		`cidr(event.src, "10.1.0.0/16") && event.action == "blocked"`,
		`cidr(event.src, "10.2.0.0/15") && event.app in ["ssh", "smb"]`,
		`event.src in lists.scanners`,
		`event.user in lists.service_users && event.action == "success"`,
		`event.signature contains "Nmap" && cidr(event.src, "10.8.0.0/16")`,
		`event.process matches "^C:.*backup[0-9]+[.]exe" && event.user startsWith "svc-"`,
		`glob(event.dvc, "sensor-0?.corp.example") && event.category == "policy"`,
		`num(event.dest_port) < 10 && event.transport == "udp"`,
		`event.severity == "informational" && event.action == "allowed" && event.app == "http"`,
		`event.url endsWith "/health" || event.url endsWith "/metrics"`,
	}
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range count {
		when := "(" + conditions[i%len(conditions)] + fmt.Sprintf(`) && event.sourcetype != "none%d"`, i)
		if i >= 20 {
			when = fmt.Sprintf(narrow[i%len(narrow)], i, i%256, i%40)
		}
		fmt.Fprintf(&b, `  - id: bench-%d
    description: A rule as people write them
    owner: detection@corp.example
    reason: Known noise of the scanners
    expires: %s
    search_name: ["Intrusion *"]
    when: '%s'
    mode: enforce
    tests:
      - {name: hit, alert: {src: 10.1.2.3, user: svc-1, sourcetype: x}, want: drop}
      - {name: miss, alert: {src: 203.0.113.9, user: ann}, want: pass}
`, i, time.Now().AddDate(0, 6, 0).Format(time.DateOnly), when)
	}
	return b.String()
}

// newBench lays out an installation with the program in it.
func newBench(t *testing.T, count int) *app {
	t.Helper()
	a := newApp(t, "[gate]\nrun = enforce\n")
	a.now = time.Now()
	a.beat()
	a.write(filepath.Join(a.content, "rules", "vpn.yaml"), benchRules(count))
	a.ship("escalate.yaml")
	var scanners, users strings.Builder
	for i := range 200 {
		fmt.Fprintf(&scanners, "10.3.%d.%d\n", i, i)
		fmt.Fprintf(&users, "svc-%04d\n", i)
	}
	a.write(filepath.Join(a.content, "lists", "scanners.txt"), scanners.String())
	a.write(filepath.Join(a.content, "lists", "service_users.txt"), users.String())
	d := a.open() // what the worker leaves for the action
	a.publishRules(d)
	a.mkdir(filepath.Join(a.dir, "bin"))
	build(t, a.program(), "../cmd/winnow_triage")
	return a
}

// publishRules does what the worker does for the action.
func (a *app) publishRules(d *state.Deployment) {
	a.t.Helper()
	keys, err := d.Keys()
	if err != nil {
		a.t.Fatal(err)
	}
	gate, _ := OpenAllowlist(d, keys, a.now) // their tests are not about their conditions
	if _, err := rules.WriteSnapshot(d.State, gate.Rules, gate.Escalate, nil); err != nil {
		a.t.Fatal(err)
	}
}

const (
	emptySource = "package main\n\nfunc main() {}\n"

	// A process is charged with the memory of the one that started it until it runs its own
	// program. So that the benchmark's does not count, a small one starts the program.
	memorySource = `package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "ERROR", err)
		os.Exit(1)
	}
	fmt.Println(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
}
`
)

// program builds a program of one file.
func program(t *testing.T, a *app, source string) string {
	t.Helper()
	dir := t.TempDir()
	build(t, filepath.Join(dir, "program"), a.write(filepath.Join(dir, "main.go"), source))
	return filepath.Join(dir, "program")
}

func build(t *testing.T, program, source string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", source, err, out)
	}
}

// runProcess runs a program to its end.
func runProcess(t *testing.T, a *app, stdin string, argv ...string) (took time.Duration, stdout string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"SPLUNK_HOME=" + a.home, "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	cmd.Stdin = strings.NewReader(stdin)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	start := time.Now()
	err := cmd.Run()
	took = time.Since(start)
	if err != nil || strings.Contains(stderr.String(), "ERROR") {
		t.Fatalf("%s: %v: %s", argv[0], err, stderr.String())
	}
	return took, out.String()
}

// python returns the interpreter itself: a version shim in front of it would take longer than it.
func python(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("python3", "-c", "import os, sys; print(os.path.realpath(sys.executable))").Output()
	if err != nil {
		t.Logf("no python3 to compare with: %v", err)
		return ""
	}
	return strings.TrimSpace(string(out))
}

// TestBenchProcess: splunkd starts a process for every alert, so what counts is the whole of it,
// and that it does not grow with the rules.
func TestBenchProcess(t *testing.T) {
	dir := skipUnlessBench(t)
	things := []func() time.Duration{}
	for _, count := range []int{20, 10_000} {
		a := newBench(t, count)
		payload := a.payload(a.results(benchResults(1)), map[string]any{"search_name": "Intrusion Attempts"})
		if len(things) == 0 {
			things = append(things, process(t, a, "", program(t, a, emptySource)))
		}
		things = append(things, process(t, a, payload, a.program(), "--execute"))
		if py := python(t); py != "" && count > 20 {
			things = append(things, process(t, a, "", py, "-c", "import json,gzip,csv,urllib.request"))
		}
	}
	m := interleaved(61, things...)
	ms := func(i int) float64 { return m[i].Seconds() * 1000 }
	lines := []benchLine{{Name: "empty Go program", Value: ms(0), Unit: "ms"}}
	if len(m) > 3 {
		lines = append(lines, benchLine{Name: "python3 with its imports only", Value: ms(3), Unit: "ms"})
	}
	for i, rules := range []string{"20", "10,000"} {
		name := "winnow_triage, one row, " + rules + " rules"
		ratio := ms(i+1) / ms(0)
		lines = append(lines, benchLine{Name: name, Value: ms(i + 1), Unit: "ms", Against: "empty Go program", Ratio: ratio, Want: "<= 4", OK: ratio <= 4})
		if len(m) > 3 {
			ratio = ms(i+1) / ms(3)
			lines = append(lines, benchLine{Name: name, Value: ms(i + 1), Unit: "ms", Against: "python3", Ratio: ratio, Want: "<= 0.1", OK: ratio <= 0.1})
		}
	}
	publish(t, dir, "process", lines)
}

// spoolSource stores two kilobytes, as a record of the spool or as a bare file that survives a crash as well, or
// it stores nothing.
const spoolSource = `package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/winnow-soc/winnow/plugin/alertaction"
)

func main() {
	text := bytes.Repeat([]byte("x"), 2048)
	switch os.Args[1] {
	case "record":
		must(alertaction.WriteCommand(os.Args[2], time.Now(), text))
	case "bare":
		bare(os.Args[2], fmt.Sprintf("%d", os.Getpid()), text)
	}
}

func bare(spool, name string, text []byte) {
	f, err := os.OpenFile(spool+"/tmp/"+name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	must(err)
	_, err = f.Write(text)
	must(err)
	must(f.Sync())
	must(f.Close())
	must(os.Rename(f.Name(), spool+"/"+name))
	dir, err := os.Open(spool)
	must(err)
	must(dir.Sync())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "ERROR", err)
		os.Exit(1)
	}
}
`

// TestBenchSpool: splunkd runs many actions at once, and their writing must not queue up: 32 processes at once
// that store a record take as long as 32 that only write a file durably. What the disk takes for that is shown
// beside it.
func TestBenchSpool(t *testing.T) {
	dir := skipUnlessBench(t)
	a := newApp(t, "")
	spool, writer := a.open().Path("spool"), program(t, a, spoolSource)
	m := interleaved(9, storm(t, a, writer, "nothing"), storm(t, a, writer, "bare", spool), storm(t, a, writer, "record", spool))
	ms := func(i int) float64 { return m[i].Seconds() * 1000 / (stormAtOnce * stormEach) }
	disk, ratio := ms(1)/ms(0), ms(2)/ms(1)
	publish(t, dir, "spool", []benchLine{
		{Name: "stores nothing, 32 at once", Value: ms(0), Unit: "ms"},
		{Name: "bare durable file, 32 at once", Value: ms(1), Unit: "ms", Against: "stores nothing", Ratio: disk, Want: "the disk's", OK: true},
		{Name: "a spool record, 32 at once", Value: ms(2), Unit: "ms", Against: "bare durable file", Ratio: ratio, Want: "<= 1.3", OK: ratio <= 1.3},
	})
}

const stormAtOnce, stormEach = 32, 8

// storm starts a program many times, 32 at once, and empties the spool.
func storm(t *testing.T, a *app, argv ...string) func() time.Duration {
	return func() time.Duration {
		start := time.Now()
		var all sync.WaitGroup
		for range stormAtOnce {
			all.Go(func() {
				for range stormEach {
					runProcess(t, a, "", argv...)
				}
			})
		}
		all.Wait()
		took := time.Since(start)
		emptySpool(t, a)
		return took
	}
}

func process(t *testing.T, a *app, stdin string, argv ...string) func() time.Duration {
	return func() time.Duration {
		took, _ := runProcess(t, a, stdin, argv...)
		return took
	}
}

// TestBenchResults: how near to the speed of inflating alone a large file is read and decided.
func TestBenchResults(t *testing.T) {
	dir := skipUnlessBench(t)
	const rows = 50_000
	a := newBench(t, 1000)
	publishCache(t, a)
	text := benchResults(rows)
	data := zipped(t, text)
	payload := a.payload(a.results(text), map[string]any{"search_name": "Intrusion Attempts"})
	m := interleaved(9,
		func() time.Duration { return timed(func() { inflate(t, data) }) },
		func() time.Duration { return timed(func() { parse(t, data, rows) }) },
		func() time.Duration {
			took, _ := runProcess(t, a, payload, a.program(), "--execute")
			emptySpool(t, a)
			return took
		})
	rate := func(i int) float64 { return rows / m[i].Seconds() }
	parsed, decided, mib := rate(1)/rate(0), rate(2)/rate(0), resident(t, a, payload)
	publish(t, dir, "results", []benchLine{
		{Name: "inflated", Value: rate(0), Unit: "rows/s"},
		{Name: "parsed", Value: rate(1), Unit: "rows/s", Against: "inflated", Ratio: parsed, Want: ">= 0.6", OK: parsed >= 0.6},
		{Name: "decided and stored, whole process", Value: rate(2), Unit: "rows/s", Against: "inflated", Ratio: decided, Want: ">= 0.1", OK: decided >= 0.1},
		{Name: "resident memory", Value: mib, Unit: "MiB", Ratio: mib / 64, Against: "64 MiB", Want: "< 1", OK: mib < 64},
	})
}

func timed(f func()) time.Duration {
	runtime.GC()
	start := time.Now()
	f()
	return time.Since(start)
}

func inflate(t *testing.T, data []byte) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, z); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, data []byte, rows int) {
	r, err := NewResults(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // closes no file
	var b Batch
	n := 0
	for err == nil {
		err = r.Fill(&b)
		n += b.Len()
	}
	if !errors.Is(err, io.EOF) || n != rows {
		t.Fatalf("%d rows, error %v", n, err)
	}
}

// publishCache writes a snapshot of a thousand verdicts, none of which covers a row.
func publishCache(t *testing.T, a *app) {
	t.Helper()
	gen, err := Generation(a.open())
	if err != nil {
		t.Fatal(err)
	}
	entries := func(yield func(cache.Key, cache.Entry) bool) {
		for i := range 1000 {
			e := cache.Entry{
				AlertID: newID(a.now), Disposition: winnow.BenignPositive, Source: winnow.SourcePerson,
				Confidence: 100, At: a.now, Expires: a.now.Add(time.Hour),
			}
			if !yield(cache.Key(sha256.Sum256([]byte{byte(i), byte(i >> 8)})), e) {
				return
			}
		}
	}
	if err := cache.WriteSnapshot(a.open().Path("cache.snapshot"), gen, entries); err != nil {
		t.Fatal(err)
	}
}

// emptySpool takes the files out of the spool.
func emptySpool(t *testing.T, a *app) {
	t.Helper()
	for _, path := range list(a.open().Path("spool")) {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// resident returns the most memory that the program had at any time, in MiB, over a few runs.
func resident(t *testing.T, a *app, payload string) (most float64) {
	t.Helper()
	measure := program(t, a, memorySource)
	for range 3 {
		_, out := runProcess(t, a, payload, measure, a.program(), "--execute")
		n, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "darwin" {
			n *= 1024 // macOS counts bytes
		}
		most = max(most, n/(1<<20))
		emptySpool(t, a)
	}
	return most
}
