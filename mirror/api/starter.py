"""The mirror.toml that `mirror init` writes: everything explained, nothing switched on."""

from typing import Final

STARTER: Final = """\
# What this mirror holds, and how it fetches. Lines that start with # are examples:
# take the # away to use one. `mirror plan` shows what a change would fetch, before
# anything is fetched. Sizes are numbers of bytes, "500 MB" or "20 GiB".

[upstream]
# The Hub to copy from: another mirror will do as well.
# endpoint = "https://huggingface.co"
# For gated and private repos: a file that holds the token and nothing else.
# Without it HF_TOKEN is used.
# token_file = "/etc/mirror/token"

[policy]
# What may not be mirrored, whatever is selected below.
# allow_licenses = ["apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0"]
# deny_licenses = ["cc-by-nc-4.0"]
# unknown_license = "deny"            # repos that state no licence
# gated = "deny"                      # repos with terms to accept
# weights = "prefer_safetensors"      # leave .bin, .pt and .h5 out where there are safetensors
# max_repo_size = "200 GB"
# max_mirror_size = "4 TB"

[transfer]
# workers = 16                        # files at the same time
# connections_per_file = 16           # parallel ranges of one large file
# bandwidth = "50 MB"                 # a second, all together
# connect_timeout = 10                # seconds
# read_timeout = 30
# retries = 5
# max_wait = 900                      # the longest that upstream may ask us to wait

[retention]
# keep = 1                            # older snapshots kept of every branch or tag

# --- what to mirror ---------------------------------------------------------------
# One block for each repo, or for each question that finds repos. `mirror add` writes
# such blocks at the end of this file; `mirror remove` takes them out.
#
# [[models]]
# id = "sentence-transformers/all-MiniLM-L6-v2"
# revision = "main"                   # a branch, a tag or a commit
# exclude = ["*.onnx", "*.h5"]        # * also crosses /
# max_size = "5 GB"                   # larger files are left out
#
# [[datasets]]
# id = "klue/klue"
# revisions = ["main", "refs/convert/parquet"]
#
# [[datasets]]                        # Korean, MIT, the hundred most downloaded
# language = "ko"
# license = "mit"
# sort = "downloads"
# limit = 100
"""
