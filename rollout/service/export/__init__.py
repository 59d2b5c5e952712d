"""What a regulator is handed every three months, made from the record alone: the entries, tables for people, every
version of the flags file, proofs that nothing was left out, a report to read and print, and the means to verify it all.

    quarters   which three months
    history    the record walked once: what stood before, what happened, where every flag stood
    tables     CSV, with cells that no spreadsheet takes for a formula
    charts     a flag's share and the people exposed, as SVG
    report     the page to read and print
    contents   all files of the folder, with the signed manifest
    verify     goes into the folder as it is; the auditor runs it
"""
