// Package alertaction is the alert action: the program that splunkd starts for every triggered
// alert. It reads the payload and the results file, asks the gate for a proposal per row, stores
// one spool record, and ends. It knows no model, no network and no database.
//
// The way of one invocation:
//
//	stdin -> Payload -> Results -> Batch -> Alert -> Gate -> spool record -> exit code
//
// The worker reads the spool with the same code: [ReadSpool] lists the records, [OpenRecord]
// reads one, [Record.Rows] gives every row as an alert with its proposal.
//
// What can go wrong here only ever raises an alert toward a person: a row that could not be read
// in full, decided in time or stored is passed on, written as a notable, or named in an ERROR
// line, but never dropped.
package alertaction
