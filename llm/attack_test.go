package llm

import (
	"os"
	"strings"
	"testing"
)

func TestCatalogue(t *testing.T) {
	c := mustCatalogue(t)
	if at, ok := c.Technique("T1078"); !ok || !at.Active || at.Name != "Valid Accounts" || len(at.Tactics) != 2 {
		t.Errorf("T1078: %+v, %v", at, ok)
	}
	if at, ok := c.Technique("T1086"); !ok || at.Active {
		t.Errorf("a revoked technique is active: %+v", at)
	}
	if _, ok := c.Technique("T0000"); ok {
		t.Error("knows T0000")
	}
	if _, ok := (*Catalogue)(nil).Technique("T1078"); ok {
		t.Error("no catalogue knows a technique")
	}
}

func TestCatalogueSearch(t *testing.T) {
	c := mustCatalogue(t)
	for text, want := range map[string]int{"brute": 1, "VALID acc": 1, "persistence": 1, "powershell": 0, "": 0, "nothing": 0} {
		if got := c.Search(text); len(got) != want {
			t.Errorf("%q: %v, want %d", text, got, want)
		}
	}
}

func TestCatalogueErrors(t *testing.T) {
	const head = "id,name,tactics,status\n"
	for text, want := range map[string]string{
		"":                             "read header",
		"id,name\n":                    "wrong number of fields",
		"id,name,tactic,status\n":      "header is",
		head:                           "no techniques",
		head + "T12,Short,,active\n":   "attack.csv:2: technique id",
		head + "T1001.1,Sub,,active\n": "technique id",
		head + "T1001,,,active\n":      "has no name",
		head + "T1001,A,,new\n":        "status is",
		head + "T1001,A,,active\nT1001,B,,active\n": "attack.csv:3: technique T1001 is listed twice",
		head + "T1001,\"A,,active\n":                "attack.csv",
	} {
		if _, err := ReadCatalogue("attack.csv", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: err %v, want %q", text, err, want)
		}
	}
}

func TestShippedCatalogue(t *testing.T) {
	f, err := os.Open("../packaging/app/default/attack.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	c, err := ReadCatalogue("attack.csv", f)
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := c.Technique("T1110"); !ok || !at.Active || at.Name != "Brute Force" {
		t.Errorf("T1110: %+v", at)
	}
}
