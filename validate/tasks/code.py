"""Does an answer reason in program code?"""

import re

# Signs of program code in an answer; plain alternatives on a bounded prefix, since model output is untrusted.
_CODE = re.compile(r"```\s{0,4}python|\bprint\(|\bdef \w{1,64}\(|^import \w|^from \w{1,64} import ", re.MULTILINE)
_PREFIX = 4000


def looks_like_code(completion: str) -> bool:
    return _CODE.search(completion[:_PREFIX]) is not None
