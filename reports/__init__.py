"""Explain it: energy of power logs, tables, figures.

A report is one function and one line in REPORTS. `tableN` is `function(paths, **options) -> Table`
(joulebird.reports.tables.table), and `figure-NAME` is `function(paths, output)`, which writes a
file whose ending names the form; with an argument `load_log` (path -> trace and words) it is called
with power logs too. `paths` are folders of runs, or of single runs;
`joulebird.reports.runs.records.load(paths)` reads them. The options of a table are its keyword
arguments; `joulebird table N` passes on those that were given. A function raises HarnessError for a
fault of the user's. Any other name has the contract of a table.
"""

# name -> "module:function". One line makes a report known to the command line and to the tests.
REPORTS = {
    "table1": "joulebird.reports.tables.draws:table1",
    "table2": "joulebird.reports.tables.table2:table2",
    "table3": "joulebird.reports.tables.table3:table3",
    "table4": "joulebird.reports.tables.draws:table4",
    "figure-1": "joulebird.reports.figures.paper:figure1",
    "figure-2": "joulebird.reports.figures.paper:figure2",
    "figure-3": "joulebird.reports.figures.paper:figure3",
    "figure-5": "joulebird.reports.figures.paper:figure5",
    "figure-power": "joulebird.reports.figures.power:power",
}
