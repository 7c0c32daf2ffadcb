"""One page that says what was found, opens offline and can be sent by mail."""

from cgcnn_md.report.page import write_report

__all__ = ["write_report"]
