package demo

import (
	"fmt"
	"time"
)

// networkNoise: what our own machines do to the network all day.
func (d *day) networkNoise() {
	d.times(38, func(ago time.Duration) {
		d.scan(ago, ExpectDrop, pick(d, scanners), d.addr("10.20."), 120+d.rand.IntN(900))
	})
	d.times(34, func(ago time.Duration) {
		d.ids(ago, ExpectDrop, pick(d, []string{"10.20.2.", "10.20.3.", "10.40.1."}), pick(d, mirrors), "9100012",
			"POLICY package manager user agent outbound", "Potential Corporate Privacy Violation", "3", "informational")
	})
	d.times(18, func(ago time.Duration) {
		d.queries(ago, ExpectDrop, pick(d, resolvers), pick(d, []string{"rep.avcloud.example", "hash.urlcheck.example"}), 40+d.rand.IntN(200))
	})
}

// networkOpen: traffic that no rule covers.
func (d *day) networkOpen() {
	d.times(4, func(ago time.Duration) {
		d.scan(ago, ExpectPass, d.addr("10.20.2."), d.addr("10.20.6."), 12+d.rand.IntN(20))
	})
	d.times(8, func(ago time.Duration) {
		d.ids(ago, ExpectPass, "192.0.2.", "198.51.100.80", "9100431", "SCAN web server probe inbound",
			"Attempted Information Leak", "2", "low")
	})
	d.times(3, func(ago time.Duration) {
		d.queries(ago, ExpectPass, d.addr("10.20.2."), "telemetry.printer.example", 30+d.rand.IntN(20))
	})
}

// scan is a firewall's count of ports one address tried on another.
func (d *day) scan(ago time.Duration, want Expected, src, dest string, ports int) {
	d.happen(portScan, ago, want,
		"src", src, "dest", dest, "src_zone", "inside", "dest_zone", "servers", "port_count", ports,
		"dest_port", []string{"22", "80", "443", "445", "3389"}, "action", pick(d, []string{"allowed", "blocked"}),
		"rule", "inside-to-servers", "dvc", "fw-core-1", "bytes_out", ports*60, "session_id", d.rand.IntN(1<<20))
}

// ids is a Suricata alert with its EVE record.
func (d *day) ids(ago time.Duration, want Expected, srcNet, dest, id, signature, category, level, severity string, more ...any) {
	src, port := d.addr(srcNet), 20000+d.rand.IntN(40000)
	flow := d.rand.Int64N(1 << 50)
	d.happen(idsAlert, ago, want, append([]any{
		"src", src, "src_port", port, "dest", dest, "dest_port", "80", "transport", "tcp", "app_proto", "http",
		"signature", signature, "signature_id", id, "category", category, "severity", severity,
		"alert.severity", level, "alert.signature", signature, "action", "allowed", "dvc", "ids-sensor-2", "flow_id", flow,
		"_raw", fmt.Sprintf(`{"event_type":"alert","flow_id":%d,"src_ip":%q,"src_port":%d,"dest_ip":%q,"dest_port":80,"proto":"TCP",`+
			`"alert":{"signature_id":%s,"signature":%q,"severity":%s}}`, flow, src, port, dest, id, signature, level),
	}, more...)...)
}

// queries are many long names asked below one domain, as Zeek's DNS log counts them.
func (d *day) queries(ago time.Duration, want Expected, src, domain string, count int, more ...any) {
	d.happen(dnsTunnel, ago, want, append([]any{
		"src", src, "dest", pick(d, resolvers), "domain", domain,
		"query", []string{d.hex(40) + "." + domain, d.hex(44) + "." + domain}, "record_type", "A",
		"query_count", count, "distinct_count", count - d.rand.IntN(5), "avg_query_length", 60 + d.rand.IntN(8),
	}, more...)...)
}
