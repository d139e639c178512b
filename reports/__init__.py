"""Explain it: energy of power logs, tables, figures."""

# name -> "module:function". One line makes a report known to the command line and to the conformance tests.
REPORTS = {
    "table2": "reports.table2:table2",
    "figure-power": "reports.figures:power",
}
