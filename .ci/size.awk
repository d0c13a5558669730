# Prints the median and 90th percentile of function lengths, and what is long.
FNR == 1 { files++; if (n) lines[files - 1] = last; n = 0 }
{ last = FNR }
/^func / { start = /}[ \t]*$/ ? 0 : FNR; head = $0; if (!start) size[++count] = 1 }
/^}/ && start { len = FNR - start + 1; size[++count] = len; if (len > 60) printf "%s:%d: %d lines: %s\n", FILENAME, start, len, substr(head, 1, 80); start = 0 }
ENDFILE { if (FNR > 400) printf "%s: %d lines\n", FILENAME, FNR }
END {
  for (i = 2; i <= count; i++) { v = size[i]; for (j = i - 1; j >= 1 && size[j] > v; j--) size[j + 1] = size[j]; size[j + 1] = v }
  printf "%d functions: median %d, p90 %d, longest %d lines\n", count, size[int((count + 1) / 2)], size[int(count * 0.9)], size[count]
}
