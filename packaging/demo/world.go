package demo

import "fmt"

// The company. Who is in which list of content/lists is part of the story.
var (
	// vpnUsers work through the VPN, whose egress addresses geolocate to the wrong country.
	vpnUsers = []string{"ann", "bob", "carol", "erin", "grace", "heidi", "mike", "olivia", "peggy", "trent"}

	// officeUsers do not.
	officeUsers = []string{"judy", "niaj", "rupert", "sybil", "victor", "walter"}

	vpnEgress = []string{"198.51.100.4", "198.51.100.5", "198.51.100.9", "198.51.100.12"}
	scanners  = []string{"10.9.1.10", "10.9.1.11", "10.9.1.12"}
	resolvers = []string{"10.20.0.53", "10.20.1.53"}
	mirrors   = []string{"10.20.6.10", "10.20.6.11"}
	ciRunners = []string{"10.30.4.21", "10.30.4.22", "10.30.4.23"}
	backups   = []string{"10.20.5.10", "10.20.5.11", "10.20.5.12"}
	cities    = []city{{"Lisbon", "Portugal"}, {"Oslo", "Norway"}, {"Vienna", "Austria"}, {"Dublin", "Ireland"}, {"Warsaw", "Poland"}}

	jobHosts = []string{"10.20.7.20", "10.20.7.21"}

	jobAccounts     = []string{"svc-inventory", "svc-print"}
	serviceAccounts = []string{"svc-reporting", "svc-inventory", "svc-print"}
	backupAccounts  = []string{"svc-backup", "svc-backup-sql"}
	automationRoles = []string{"terraform-deploy", "cluster-autoscaler"}
)

type city struct{ name, country string }

// farAway is where the attacker's address seems to be.
var farAway = city{"Reykjavik", "Iceland"}

// The break-in: one attacker, one account, one workstation.
const (
	attacker    = "203.0.113.66"
	attackerDNS = "cdn-sync.example"
	victim      = "dave"
	victimHost  = "ws-dave-17"
	victimAddr  = "10.20.3.44"
)

func mail(user string) string { return user + "@corp.example" }

// workstation is the machine of a person.
func (d *day) workstation(user string) string {
	return fmt.Sprintf("ws-%s-%02d", user, 1+d.rand.IntN(2))
}

const (
	browser   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
	phone     = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
	terraform = "APN/1.0 HashiCorp/1.0 Terraform/1.13.4 aws-sdk-go-v2/1.39.2"
)
