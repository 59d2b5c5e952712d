"""flags.yaml and what it says: read with the position of every word, so that each problem names its place.

reader    read_text, read_file       the file -> core.definitions.FlagFile, or InvalidFile with every problem
watch     FileWatcher                the same again whenever the file, or a member list, changes
apart     read_in_subprocess         a large file, read in a process of its own
problems  as_text, as_github         problems as people and tools want to see them
pull      pull_file, pulls           what became of the rollouts, written into the file
schema    schema                     the JSON Schema that editors check the file with
nodes     parse                      words with their positions, for whoever edits the file in place
"""
