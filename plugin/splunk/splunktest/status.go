package splunktest

import "net/http"

// ReviewStatus is one entry of reviewstatuses.conf.
type ReviewStatus struct {
	ID       string
	Label    string
	Type     string // "notable" unless set
	Default  bool
	End      bool
	Disabled bool
}

// DefaultReviewStatuses are those Enterprise Security ships.
func DefaultReviewStatuses() []ReviewStatus {
	return []ReviewStatus{
		{ID: "0", Label: "Unassigned"}, {ID: "1", Label: "New", Default: true}, {ID: "2", Label: "In Progress"},
		{ID: "3", Label: "Pending"}, {ID: "4", Label: "Resolved"}, {ID: "5", Label: "Closed", End: true},
		{ID: "disposition:1", Label: "True Positive - Suspicious Activity", Type: "disposition"},
		{ID: "disposition:2", Label: "Benign Positive - Suspicious But Expected", Type: "disposition"},
		{ID: "disposition:0", Label: "Unassigned", Type: "disposition"},
		{ID: "disposition:3", Label: "False Positive - Incorrect Analytic Logic", Type: "disposition"},
		{ID: "disposition:4", Label: "False Positive - Inaccurate Data", Type: "disposition"},
		{ID: "disposition:5", Label: "Other", Type: "disposition"},
		{ID: "disposition:6", Label: "Undetermined", Type: "disposition", Default: true},
	}
}

func (s *Server) reviewStatuses(w http.ResponseWriter, r *http.Request, who *login) {
	if s.opts.NoES {
		notFound(w, r, who)
		return
	}
	entries := make([]any, 0, len(s.opts.ReviewStatuses))
	for _, st := range s.opts.ReviewStatuses {
		entries = append(entries, entry(st.ID, map[string]any{
			"label": st.Label, "status_type": st.kind(), "default": digit(st.Default), "end": digit(st.End),
			"disabled": st.Disabled, "hidden": "0", "selected": "0", "description": "",
		}))
	}
	feed(w, entries...)
}

func (st ReviewStatus) kind() string {
	if st.Type == "" {
		return "notable"
	}
	return st.Type
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// has reports whether there is an enabled status of that number.
func (o *Options) hasStatus(id string) bool {
	for _, st := range o.ReviewStatuses {
		if st.ID == id && st.kind() == "notable" {
			return !st.Disabled
		}
	}
	return false
}

// defaultStatus is what an event without a status has.
func (o *Options) defaultStatus() string {
	for _, st := range o.ReviewStatuses {
		if st.Default && !st.Disabled && st.kind() == "notable" {
			return st.ID
		}
	}
	return "0"
}

// ended reports whether a status ends the work.
func (o *Options) ended(id string) bool {
	for _, st := range o.ReviewStatuses {
		if st.ID == id {
			return st.End
		}
	}
	return false
}
