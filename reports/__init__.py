"""Explain it: energy of power logs, tables, figures."""

# name -> "module:function". One line makes a report known to the command line and to the conformance tests.
REPORTS = {
    "table1": "joulebird.reports.tables.draws:table1",
    "table2": "joulebird.reports.tables.table2:table2",
    "table3": "joulebird.reports.tables.table3:table3",
    "table4": "joulebird.reports.tables.draws:table4",
    "figure-1": "joulebird.reports.tables.draws:figure1",
    "figure-2": "joulebird.reports.tables.draws:figure2",
    "figure-3": "joulebird.reports.figures.tradeoff:figure3",
    "figure-5": "joulebird.reports.figures.tradeoff:figure5",
    "figure-power": "joulebird.reports.figures.power:power",
}
