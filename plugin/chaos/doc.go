// Package chaos holds tests only. They start the real programs the way splunkd does, built so that they
// die at a named instant (see package crash), against a fake splunkd and a fake model that keep books of
// their own; then they hold what is in the ledger, in Splunk and on the bill against the promises: nothing
// lost, nothing closed on doubt, nothing written twice, nothing spent unseen, a person's changes stand.
//
// Worlds are of several kinds in turn: in some the clock jumps, forward and back, by minutes, days and a year;
// in some the files of the ledger are damaged, and a backup is brought back. TestRealDisks has SQLite
// meet disks that are full or read-only, where the machine allows them to be mounted.
//
// `go test ./plugin/chaos` runs each point once, `make chaos` thousands of rounds at random, `make soak`
// many actions at a time for minutes. A failed run prints its seed; WINNOW_CHAOS_SEED runs it again.
package chaos
