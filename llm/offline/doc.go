// Package offline holds analysts that need no model, no key and no network: small tables of
// heuristics on CIM and vendor fields, value lists and the facts that code established. They
// answer through the same interface as a language model, in JSON that is checked in the same way.
//
// Each agent has a file with its table (network.go, identity.go, threatintel.go); a heuristic is
// a name, a condition, a vote with a confidence, the fields it rests on, and a sentence. The
// stages (enrich.go, correlate.go, classify.go) and the coordinator (coordinator.go) build on
// what the tables say. Strong confidence in SAFE comes from established facts alone.
package offline
