"""How the application is served: processes, health, compressed answers and logs. Nothing else knows this."""

from flask import Flask

from app.foundation.logs import init_logs
from app.serving import health
from app.serving.compression import init_compression


def register(app: Flask) -> None:
    init_logs(app)
    init_compression(app)
    app.register_blueprint(health.bp)
