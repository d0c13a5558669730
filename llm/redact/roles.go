package redact

import "strings"

// role says what the values of a field are.
type role uint8

const (
	roleText   role = iota
	roleUser        // accounts and people
	roleHost        // hosts, ours when their names have no domain that is not
	roleOwn         // hosts that are ours whatever their domain
	roleDomain      // domains of accounts
	roleSecret      // what never leaves, and is taken out of every other field too
)

// The last words of names of fields, in small letters.
var lastWords = map[string]role{
	"user": roleUser, "username": roleUser, "users": roleUser, "account": roleUser, "accountname": roleUser, "login": roleUser,
	"logon": roleUser, "upn": roleUser, "userprincipalname": roleUser, "samaccountname": roleUser, "email": roleUser,
	"emailaddress": roleUser, "mail": roleUser, "recipient": roleUser, "recipients": roleUser, "sender": roleUser, "owner": roleUser,
	"userid": roleUser, "actor": roleUser, "principal": roleUser, "principalid": roleUser, "alternateid": roleUser, "identity": roleUser,
	"initiator": roleUser, "requester": roleUser, "employee": roleUser, "manager": roleUser, "usersid": roleUser, "cc": roleUser,
	"bcc": roleUser, "alternatename": roleUser, "displayname": roleUser, "useremail": roleUser, "loginname": roleUser,
	"logonname": roleUser, "subjectusername": roleUser, "targetusername": roleUser, "nick": roleUser, "identities": roleUser,

	"src": roleHost, "dest": roleHost, "host": roleHost, "hostname": roleHost, "server": roleHost, "servername": roleHost,
	"client": roleHost, "device": roleHost, "devicename": roleHost, "machine": roleHost, "machinename": roleHost, "node": roleHost,
	"dns": roleHost, "asset": roleHost, "fqdn": roleHost, "endpoint": roleHost, "ip": roleHost, "address": roleHost, "addr": roleHost,
	"dvc": roleOwn, "computer": roleOwn, "computername": roleOwn, "workstation": roleOwn, "workstationname": roleOwn, "agenthostname": roleOwn,
	"instanceid": roleOwn, "vmname": roleOwn, "podname": roleOwn,

	"userdomain": roleDomain, "accountdomain": roleDomain, "ntdomain": roleDomain, "domainname": roleDomain, "logondomain": roleDomain,
	"targetdomainname": roleDomain, "subjectdomainname": roleDomain, "workgroup": roleDomain,
}

// exact are names that their last word says the wrong thing of, or nothing.
var exact = map[string]role{
	"orig_recipient": roleUser, "return_addr": roleUser, "src_user_id": roleUser, "user_id": roleUser, "src_user_name": roleUser,
	"user_name": roleUser, "account_name": roleUser, "to": roleUser, "from": roleUser, "reply_to": roleUser, "object_owner": roleUser,
	"risk_object": roleUser, "threat_object": roleText, "threat_match_value": roleText, "http_host": roleHost,
	"orig_src": roleHost, "orig_dest": roleHost, "dest_nt_host": roleOwn, "src_nt_host": roleOwn, "dvc_nt_host": roleOwn,
	"host": roleOwn, "dvc_host": roleOwn, "src_user_domain": roleDomain, "user_domain": roleDomain, "src_nt_domain": roleDomain,
	"dest_nt_domain": roleDomain, "device_name": roleOwn, "computer_name": roleOwn, "workstation_name": roleOwn, "host_name": roleOwn,
	"user_display_name": roleUser, "display_name": roleUser, "full_name": roleUser, "first_name": roleUser, "last_name": roleUser,
	"email_address": roleUser, "dest_mac": roleText, "orig_action_name": roleText, "default_owner": roleText,
}

// roleOf tells the role from a field's name, of which only the part after the last dot counts.
func roleOf(field string) role {
	if SecretName(field) {
		return roleSecret
	}
	if i := strings.LastIndexByte(field, '.'); i >= 0 {
		field = field[i+1:]
	}
	snake := snakeCase(field)
	if r, ok := exact[snake]; ok {
		return r
	}
	if r, ok := lastWords[strings.ReplaceAll(snake, "_", "")]; ok {
		return r
	}
	for i := strings.IndexByte(snake, '_'); i >= 0; {
		if r, ok := lastWords[strings.ReplaceAll(snake[i+1:], "_", "")]; ok {
			return r
		}
		next := strings.IndexByte(snake[i+1:], '_')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return roleText
}

// snakeCase writes TargetUserName, target-user-name and target_user_name alike.
func snakeCase(s string) string {
	out := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		b := s[i]
		switch {
		case b >= 'A' && b <= 'Z':
			begins := i > 0 && s[i-1] != '_' && (s[i-1] < 'A' || s[i-1] > 'Z' || i+1 < len(s) && s[i+1] >= 'a' && s[i+1] <= 'z')
			if begins {
				out = append(out, '_')
			}
			out = append(out, b+'a'-'A')
		case b == '-' || b == ' ' || b == ':':
			out = append(out, '_')
		default:
			out = append(out, b)
		}
	}
	return string(out)
}
