"""All experiments of arXiv:2506.10947 on organisms: run, frozen one by one, and reported on one page.

`plan` says which recipe runs on which organism, `freeze` keeps what a finished run says in a few small files, and all
else reads those: `findings` and its neighbours compare, `page` writes the report.
"""
