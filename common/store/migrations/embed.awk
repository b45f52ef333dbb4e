# Turns migrations NNNN_NAME.DIALECT.sql into C strings named sql_NNNN_DIALECT.
FNR == 1 {
	if (NR > 1)
		print "\t;\n"
	n = split(FILENAME, path, "/")
	split(path[n], part, ".")
	printf "static const char sql_%s_%s[] =\n", substr(part[1], 1, 4), part[2]
}
{
	gsub(/\\/, "&&")
	gsub(/"/, "\\\"")
	print "\t\"" $0 "\\n\""
}
END {
	print "\t;"
}
