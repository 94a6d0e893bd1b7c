"""The tabs. Each builds its content anew from what it reads. `TABS` in app.py lists them."""
