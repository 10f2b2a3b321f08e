"""Schema of the results: the columns of every CSV file and the keys of every JSON file that the pipeline writes.

    version     the number of this schema; read and write a JSON file with it
    entries     the nouns: `Column` and `Table` for CSV, `Key` and `Document` for JSON
    images      index.csv, summary.json                                stage preprocess
    training    history.csv, training.json, <model>.answers.json       stages train and harden
    attack      predictions.csv, intervals.csv, threats.csv, attack.json   stage attack
    rank        sensitivity.csv, rank.json                             stage rank
    certify     certificates.csv, certify.json                         stage certify
    acquisition acquisition.csv, acquisition.json                      stage rescan
    validity    validity.json; validity.csv and validity.json of all models   stages validate and tabulate
    tables      the CSV files of the tables, cells.json                stage tabulate
    curves      curves.json                                            stage plot
    acceptance  verdicts on policies, declarations of policies         stages accept and attack
    files       all of them in the order of the stages

The stages import `version` alone. Which names they write stands in their own code, and the tests compare every written
file with this schema: so a better description here reruns no stage.
"""
