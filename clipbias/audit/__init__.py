"""What the logs of a training show about clipping, what they cannot show, and which key would log the rest.

`read` turns files of any form into `log.Log`; `frameworks` says what the series mean; `diagnose` concludes; `audit`
joins them; `words` and `page` say it.
"""
