r"""JSON whose texts were cut in the middle of a character.

Systems that count UTF-16 units cut an emoji in two and write the half as an escape (`\ud83d`). The grammar of JSON
allows it, strict parsers refuse the whole document for it, and a name that was cut is no reason to lose an interaction.
"""

import json


def replace_lone_surrogates(body: str | bytes) -> bytes:
    """The same JSON document with a question mark for each half character. Raises ValueError when it is malformed."""
    text = body if isinstance(body, str) else body.decode()
    try:
        return json.dumps(json.loads(text), ensure_ascii=False).encode(errors="replace")
    except RecursionError as error:
        raise ValueError("nested too deep") from error
