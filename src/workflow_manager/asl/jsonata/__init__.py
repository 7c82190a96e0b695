"""
JSONata as the States Language has it: ``{% ... %}``.

The language itself comes from the library ``jsonata`` (PyPI: jsonata-python), imported when the first expression
is compiled.  Around it stand here: Step Functions' own functions, its wording of errors, a short cut for plain
paths, and bounds on what one evaluation may cost.
"""

from workflow_manager.asl.jsonata.expression import (
    Expression,
    JSONataSyntaxError,
    compile_expression,
    expect,
    is_expression,
    unexpected_type,
)
from workflow_manager.asl.jsonata.template import Template, compile_template

__all__ = [
    "Expression",
    "JSONataSyntaxError",
    "Template",
    "compile_expression",
    "compile_template",
    "expect",
    "is_expression",
    "unexpected_type",
]
