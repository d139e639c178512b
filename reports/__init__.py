"""Explain it: energy of power logs, tables, figures."""

# name -> "module:function". One line makes a report known to the command line and to the conformance tests.
REPORTS = {
    "table1": "reports.draws:table1",
    "table2": "reports.table2:table2",
    "table3": "reports.table3:table3",
    "table4": "reports.draws:table4",
    "figure-1": "reports.draws:figure1",
    "figure-2": "reports.draws:figure2",
    "figure-3": "reports.tradeoff:figure3",
    "figure-5": "reports.tradeoff:figure5",
    "figure-power": "reports.figures:power",
}
