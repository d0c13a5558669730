package queue

// Queries returns those that a turn of the worker makes.
func Queries() map[string]string {
	return map[string]string{
		"searches": freshSearches, "searches of the backlog": backlogSearches, "alerts": freshOf, "alerts of the backlog": backlogOf,
		"searches that are due": dueSearches, "alerts that are due": dueOf, "late": lateOf,
	}
}
